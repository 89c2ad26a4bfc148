/** Node's WebGPU, in software: what the CPU computes, training and models with operators that WebGPU alone gets wrong included. */
import { emptyGraph, GraphBuilder, type Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../../../onnx-grad/src/testing/npy.ts';
import { batchNorm, conv, dense, globalAveragePool, relu } from '../../src/models/layers.ts';
import {
  adversarial,
  attribute,
  Classifier,
  createNodeRuntime,
  fromArrays,
  type ModelDescription,
  pgd,
  plainGradient,
  predictLogits,
  type Runtime,
  sgd,
  type Tensor,
  train,
} from '../../src/node.ts';
import { createRandom } from '../../src/random.ts';
import { useSoftwareVulkan } from '../../src/runtime/testing/software-vulkan.ts';
import { sizeOf } from '../../src/tensor.ts';

const noVulkan = useSoftwareVulkan();
if (noVulkan !== undefined) console.warn(`WebGPU in Node is not tested: ${noVulkan}`);

const inputShape = [3, 8, 8] as const;
const classes = ['a', 'b', 'c', 'd'];

function describeModel(name: string, write: (g: GraphBuilder, x: Value) => Value): ModelDescription {
  const g = new GraphBuilder(emptyGraph(name));
  const logits = write(g, g.input('input', 'float32', [1, ...inputShape]));
  g.graph.inputs = [{ name: 'input', dtype: 'float32', shape: ['N', ...inputShape] }];
  g.graph.outputs = [{ name: logits.name, dtype: 'float32', shape: ['N', classes.length] }];
  return { name, graph: g.graph, input: 'input', logits: logits.name, inputShape, classes };
}

const normalized = describeModel('with batch normalisation', (g, x) => {
  const net = { g, random: createRandom(1, 'weights') };
  let h = conv(net, x, { name: 'conv1', channels: 8, kernel: 3, bias: false });
  h = relu(net, batchNorm(net, h, 'bn1'), 'relu1');
  h = conv(net, h, { name: 'conv2', channels: 12, kernel: 3, stride: 2, bias: false });
  h = relu(net, batchNorm(net, h, 'bn2'), 'relu2');
  return dense(net, globalAveragePool(net, h, 'features'), { name: 'logits', units: classes.length });
});

const numbers = (name: string, shape: readonly number[]) => {
  const data = new Float32Array(sizeOf(shape));
  createRandom(2, name).fillNormal(data, 0, 0.4);
  return [...data];
};
const head = (g: GraphBuilder, h: Value) => {
  const net = { g, random: createRandom(3, 'head') };
  return dense(net, g.op('Flatten', [h], { axis: 1 }), { name: 'logits', units: classes.length });
};

/** What exporters write and WebGPU computes wrongly, or refuses, as it stands. */
const awkward: Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>> = {
  'Slice backwards from the middle': (g, x) =>
    g.op('Slice', [
      x,
      ...[
        [6, 2],
        [1, -9],
        [2, 1],
        [-2, -1],
      ].map((list) => g.integers(list)),
    ]),
  'Pow with exponents by channel': (g, x) => g.pow(g.add(x, g.constant(0.5)), g.constant([2, 0.5, 3], [3, 1, 1])),
  'ConvTranspose in groups': (g, x) => {
    const wide = g.op('Conv', [x, g.constant(numbers('wide', [8, 3, 3, 3]), [8, 3, 3, 3])]);
    const weights = g.constant(numbers('groups', [8, 2, 3, 3]), [8, 2, 3, 3]);
    return g.op('ConvTranspose', [wide, weights], { group: 2, strides: [2, 2] });
  },
  'LRN and overlapping MaxPool': (g, x) =>
    g.op('MaxPool', [g.op('LRN', [x], { size: 3, alpha: 0.5 })], { kernel_shape: [3, 3], strides: [2, 2] }),
};

const images = (count: number): Tensor => {
  const data = new Float32Array(count * sizeOf(inputShape));
  createRandom(4, 'images').fillUniform(data, 0, 1);
  return { shape: [count, ...inputShape], data };
};

describe.skipIf(noVulkan !== undefined)('WebGPU in Node', () => {
  let cpu: Runtime;
  let webgpu: Runtime;
  beforeAll(async () => {
    cpu = await createNodeRuntime({ threads: 1 });
    webgpu = await createNodeRuntime({ device: 'webgpu', threads: 1 });
  });
  afterAll(() => Promise.all([cpu?.close(), webgpu?.close()]));

  it.each(['linf', 'l2'] as const)('takes the same step of adversarial training, %s', async (norm) => {
    const dataset = fromArrays({
      name: 'noise',
      split: 'train',
      classes,
      imageShape: inputShape,
      pixels: images(8).data,
      labels: [0, 1, 2, 3, 0, 1, 2, 3],
    });
    const changes = async (runtime: Runtime) => {
      const { last, history } = await train({
        runtime,
        model: normalized,
        dataset,
        method: adversarial({ attack: pgd({ norm, steps: 3 }), epsilon: norm === 'linf' ? 8 / 255 : 0.5 }),
        optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
        // Large, so that rounding of the weights does not hide what the gradient changed.
        learningRate: 1,
        epochs: 1,
        batchSize: 8,
      });
      const { initializers } = normalized.graph;
      const moved = [...last.graph.initializers].map(([name, { data }]) => {
        const before = initializers.get(name)!.data as Float32Array;
        return [name, (data as Float32Array).map((weight, i) => weight - before[i]!)] as const;
      });
      return { loss: history[0]!.loss, moved };
    };
    const expected = await changes(cpu);
    const found = await changes(webgpu);
    expect(Math.abs(found.loss - expected.loss)).toBeLessThan(1e-4 * expected.loss);
    expect(expected.moved.map(([name]) => name)).toContain('bn2.running_var');
    expected.moved.forEach(([name, change], i) => {
      expect(Math.max(...change.map(Math.abs)), `${name} is trained`).toBeGreaterThan(1e-3);
      expect(relativeError(found.moved[i]![1], change), name).toBeLessThanOrEqual(1e-4);
    });
  });

  it.each(Object.entries(awkward))('runs and differentiates %s', async (name, write) => {
    const model = describeModel(name, (g, x) => head(g, write(g, x)));
    const results = async (runtime: Runtime) => {
      const classifier = new Classifier(model, runtime);
      const { data: logits } = await predictLogits(classifier, images(3));
      const { attributions } = await attribute(classifier, { images: images(3), method: plainGradient(), target: 1 });
      await classifier.release();
      return { logits, gradient: attributions.data };
    };
    const expected = await results(cpu);
    const found = await results(webgpu);
    expect(relativeError(found.logits, expected.logits)).toBeLessThanOrEqual(1e-4);
    expect(relativeError(found.gradient, expected.gradient)).toBeLessThanOrEqual(1e-4);
  });
});
