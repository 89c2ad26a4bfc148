/** Relevance on exported classifiers: residual, dense, grouped, branching and attention networks. */
import { existsSync, readFileSync } from 'node:fs';
import { copyGraph, type Graph, type Tensor as GraphTensor } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { readModel } from '../../models/load.ts';
import { noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type AttributionMethod, attribute } from '../attribute.ts';
import { gradientTimesInput } from '../gradient.ts';
import { uniformRules } from './composites.ts';
import { lrp } from './lrp.ts';

const FOLDER = '../shared/fixtures/pytorch-gradients';
const RECTIFIED = ['basic-resnet', 'densenet', 'inception', 'mobilenet-v2', 'shufflenet', 'vgg'];
/** Gates, layer normalisation and attention. */
const OTHERS = ['convnext', 'efficientnet', 'vit'];

/** The graph with every bias, and the shift of every batch normalisation, at zero. */
function withoutBiases(graph: Graph): Graph {
  const copy = copyGraph(graph);
  const zero = (name: string | undefined): void => {
    const tensor = copy.initializers.get(name ?? '');
    if (tensor) copy.initializers.set(name!, zeros(tensor));
  };
  for (const { op, inputs } of copy.nodes) {
    if (op === 'Conv' || op === 'Gemm') zero(inputs[2]);
    if (op === 'BatchNormalization') for (const name of inputs.slice(2, 4)) zero(name);
  }
  return copy;
}

const zeros = ({ dtype, shape, data }: GraphTensor): GraphTensor => ({
  dtype,
  shape,
  data: new Float32Array(data.length),
});

describe.skipIf(!existsSync(FOLDER))(`classifiers of ${FOLDER} (skipped where it is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  const read = (name: string) => readModel(readFileSync(`${FOLDER}/${name}/model.onnx`), { name });
  const explain = async (model: ModelDescription, methods: readonly AttributionMethod[]) => {
    const classifier = new Classifier(model, runtime);
    const images = noiseImages(2, model.inputShape);
    const found = [];
    for (const method of methods) found.push(await attribute(classifier, { images, method, target: 3 }));
    await classifier.release();
    return found;
  };

  const cases = [
    ...RECTIFIED.map((name) => ({ name, biases: 'without' })),
    ...RECTIFIED.slice(0, 2).map((name) => ({ name, biases: 'with' })),
  ];

  it.each(cases)('$name $biases biases: LRP-0 is gradient × input', async ({ name, biases }) => {
    const model = read(name);
    const graph = biases === 'with' ? model.graph : withoutBiases(model.graph);
    const [zero, slopes] = await explain({ ...model, graph }, [
      lrp({ composite: uniformRules() }),
      gradientTimesInput(),
    ]);
    const expected = slopes!.attributions.data;
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...zero!.attributions.data.map((value, i) => Math.abs(value - expected[i]!)));
    expect(error / largest).toBeLessThan(1e-5);
    if (biases === 'with') return;
    for (const { relativeError } of zero!.certificate!.completeness!) expect(relativeError).toBeLessThan(1e-4);
  });

  it.each(['densenet', ...OTHERS])('%s: what does not arrive is accounted for', async (name) => {
    for (const { certificate } of await explain(read(name), [lrp()])) {
      certificate!.completeness!.forEach(({ sum, difference }, i) => {
        const shares = certificate!.lost![i]!.map(({ share }) => share);
        const scale = Math.max(1, ...shares.map(Math.abs));
        expect(Math.abs(sum / difference + shares.reduce((a, b) => a + b, 0) - 1) / scale).toBeLessThan(1e-4);
      });
    }
  });
});
