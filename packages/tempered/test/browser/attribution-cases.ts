/** @file Attributions that are computed twice, in a browser and in Node: a network, images and methods, all from a seed. */
import { emptyGraph, GraphBuilder, type Value } from 'onnx-grad';
import { methodsFrom } from '../../src/attribution/catalogue.ts';
import type { Explained } from '../../src/attribution/explained.ts';
import { type Attribution, attribute, type Classifier, type ModelDescription, type Tensor } from '../../src/index.ts';
import { batchNorm, conv, dense, globalAveragePool, maxPool, type Network, relu } from '../../src/models/layers.ts';
import { createRandom } from '../../src/random.ts';
import { sizeOf } from '../../src/tensor.ts';

const inputShape = [3, 16, 16] as const;
const classes = ['a', 'b', 'c', 'd'];

export interface AttributionCase {
  /** As the command line takes it. */
  readonly method: string;
  readonly of?: Explained;
  readonly layer?: string;
}

const at = (method: string, more: Omit<AttributionCase, 'method'> = {}): AttributionCase => ({ method, ...more });

/** Every method, and those of its settings that change its program. */
export const CASES: readonly AttributionCase[] = [
  at('gradient'),
  at('gradient', { of: 'probability' }),
  at('gradient', { of: 'log-probability' }),
  at('gradient', { of: 'loss' }),
  at('gradient', { of: 'margin' }),
  at('gradient', { of: { minus: 1 } }),
  at('gradient', { of: { unit: 'block.relu1:2:3:1' } }),
  at('gradient', { layer: 'pool1' }),
  at('gradient:absolute=yes'),
  at('gradient-times-input'),
  at('smoothgrad:samples=4'),
  at('smoothgrad:samples=4,relative=no,clip=yes,method=guided-backprop'),
  at('smoothgrad:samples=2,method=deep-lift'),
  at('smoothgrad-squared:samples=4'),
  at('vargrad:samples=4'),
  at('integrated-gradients:steps=6'),
  at('integrated-gradients:steps=6,baseline=blurred', { of: 'probability' }),
  at('integrated-gradients:steps=3,baseline=uniform'),
  at('integrated-gradients:rule=adaptive,max-steps=64'),
  at('integrated-gradients:steps=6', { layer: 'block.sum' }),
  at('expected-gradients:samples=6'),
  at('gradient-shap:samples=6'),
  at('deep-lift'),
  at('deep-lift:baseline=white', { of: 'probability' }),
  at('deep-lift', { layer: 'pool1' }),
  at('deep-lift:rule=reveal-cancel'),
  at('deep-lift:rule=reveal-cancel-on-dense'),
  at('deep-shap'),
  at('lrp'),
  ...[
    'epsilon-gamma-box',
    'epsilon-plus',
    'epsilon-plus-flat',
    'epsilon-alpha2-beta1',
    'epsilon-alpha2-beta1-flat',
    'zero',
    'epsilon',
    'gamma',
    'z-plus',
    'alpha2-beta1',
  ].map((composite) => at(`lrp:composite=${composite}`)),
  at('lrp:composite=epsilon-plus,initial=one', { layer: 'block.sum' }),
  at('excitation-backprop'),
  at('excitation-backprop:contrastive=yes'),
  at('guided-backprop'),
  at('deconvnet'),
  at('cam'),
  at('cam:resize=bilinear-corners'),
  at('grad-cam'),
  at('grad-cam:resize=nearest'),
  at('grad-cam:relu=no,resize=none', { layer: 'pool1' }),
  at('grad-cam++:weighting=sum'),
  at('grad-cam++:weighting=mean'),
  at('xgrad-cam'),
  at('hires-cam'),
  at('layer-cam', { layer: 'block.relu2' }),
  at('score-cam:weighting=softmax'),
  at('score-cam:weighting=increase,baseline=blurred,relu=no'),
  at('guided-grad-cam'),
  at('occlusion:window=5,stride=3'),
  at('occlusion:window=8,stride=8,baseline=uniform'),
  at('feature-ablation:features=superpixels-8'),
  at('feature-ablation', { layer: 'features.map' }),
  at('rise:samples=30,cells=4'),
  at('rise:samples=30,cells=4,normalisation=empirical', { of: 'probability' }),
  at('lime:samples=40,features=superpixels-8'),
  at('kernel-shap:samples=60,features=superpixels-8'),
  at('shapley-sampling:permutations=4,features=squares-8'),
  at('exact-shapley:features=superpixels-5'),
  at('activation', { layer: 'block.sum' }),
  at('conductance:steps=6', { layer: 'pool1' }),
  at('internal-influence:steps=6', { layer: 'pool1' }),
  at('neuron-conductance:steps=6,unit=block.relu1:2'),
  at('random'),
  at('edges'),
];

/** Convolutions with batch normalisation, pooling of windows apart and overlapping, a residual block, groups, and a head of means. */
export function smallNetwork(): ModelDescription {
  const g = new GraphBuilder(emptyGraph('small'));
  const net = { g, random: createRandom(1, 'weights') };
  const x = g.input('input', 'float32', [1, ...inputShape]);
  let h = normalized(net, conv(net, x, { name: 'conv1', channels: 8, kernel: 3, bias: false }), 'bn1');
  const pooled = maxPool(net, relu(net, h, 'relu1'), 'pool1');
  h = normalized(net, conv(net, pooled, { name: 'block.conv1', channels: 8, kernel: 3, bias: false }), 'block.bn1');
  h = conv(net, relu(net, h, 'block.relu1'), { name: 'block.conv2', channels: 8, kernel: 3, bias: false });
  h = g.rename(g.add(normalized(net, h, 'block.bn2'), pooled), 'block.sum');
  h = g.op('MaxPool', [relu(net, h, 'block.relu2')], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  const groups = g.parameter('groups.weight', random('groups', [16, 4, 3, 3], 0.25));
  h = g.op('Conv', [h, groups], { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], group: 2 });
  const features = globalAveragePool(net, relu(net, h, 'features.map'), 'features');
  const logits = dense(net, features, { name: 'logits', units: classes.length, initialBias: 0.1 });
  g.graph.inputs = [{ name: 'input', dtype: 'float32', shape: ['N', ...inputShape] }];
  g.graph.outputs = [{ name: logits.name, dtype: 'float32', shape: ['N', classes.length] }];
  return { name: 'small', graph: g.graph, input: 'input', logits: logits.name, inputShape, classes };
}

/** Batch normalisation as after a training: means and variances that differ from channel to channel. */
function normalized(net: Network, x: Value, name: string): Value {
  const y = batchNorm(net, x, name);
  const draws = createRandom(2, name);
  const fill = (parameter: string, low: number, high: number) =>
    draws
      .split(parameter)
      .fillUniform(net.g.graph.initializers.get(`${name}.${parameter}`)!.data as Float32Array, low, high);
  fill('weight', 0.6, 1.4);
  fill('bias', -0.2, 0.3);
  fill('running_mean', -0.3, 0.3);
  fill('running_var', 0.4, 1.2);
  return y;
}

function random(name: string, shape: readonly number[], deviation: number) {
  const data = new Float32Array(sizeOf(shape));
  createRandom(3, name).fillNormal(data, 0, deviation);
  return { dtype: 'float32', shape, data } as const;
}

/** Patches of colour with noise on them, so that there are superpixels. */
function images(name: string, count: number): Tensor {
  const [channels, height, width] = inputShape;
  const noise = new Float32Array(count * sizeOf(inputShape));
  const draws = createRandom(4, name);
  draws.fillUniform(noise, 0, 0.3);
  const patches = new Float32Array(count * channels * 16);
  draws.fillUniform(patches, 0, 0.7);
  const data = noise.map((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    const plane = Math.floor(i / (height * width));
    return value + patches[plane * 16 + 4 * Math.floor(y / 4) + Math.floor(x / 4)]!;
  });
  return { shape: [count, ...inputShape], data };
}

/** The attributions of a case for three images, in batches that do not come out even. */
export function explain(classifier: Classifier, { method: text, of, layer }: AttributionCase): Promise<Attribution> {
  const { method } = methodsFrom(text, images('background', 4))[0]!;
  return attribute(classifier, {
    images: images('explained', 3),
    method,
    target: [2, 0, 1],
    ...(of !== undefined && { of }),
    ...(layer !== undefined && { layer }),
    seed: 5,
    batchSize: 2,
  });
}
