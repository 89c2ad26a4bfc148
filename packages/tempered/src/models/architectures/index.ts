/** @file The architectures by name. */
import { emptyGraph, GraphBuilder, type Value } from 'onnx-grad';
import { createRandom } from '../../random.ts';
import type { ModelDescription } from '../classifier.ts';
import type { Network } from '../layers.ts';
import { cifarCnn } from './cifar-cnn.ts';
import { cifarResnet18 } from './cifar-resnet18.ts';
import { cifarSmallResnet } from './cifar-small-resnet.ts';
import { gapPool, gapSmall, gapWresnet } from './gap-networks.ts';
import { mixnormDnn } from './mixnorm-dnn.ts';
import { mnistCnn, mnistTutorialCnn } from './mnist-cnn.ts';
import { mnistCnnOnePool } from './mnist-cnn-one-pool.ts';
import { resnet18, resnet50 } from './resnet.ts';
import { smallCnn } from './small-cnn.ts';
import { stridedCnn } from './strided-cnn.ts';

/** Writes a network applied to `x`, [1, C, H, W], and returns its logits, [1, classes]. */
export type Architecture = (net: Network, x: Value, classes: number) => Value;

export const architectures = {
  'small-cnn': smallCnn,
  'strided-cnn': stridedCnn,
  'mnist-cnn': mnistCnn,
  'mnist-tutorial-cnn': mnistTutorialCnn,
  'mnist-cnn-one-pool': mnistCnnOnePool,
  'cifar-cnn': cifarCnn,
  'mixnorm-dnn': mixnormDnn,
  'gap-small': gapSmall,
  'gap-pool': gapPool,
  'gap-wresnet': gapWresnet,
  'cifar-small-resnet': cifarSmallResnet,
  'cifar-resnet18': cifarResnet18,
  resnet18,
  resnet50,
} as const satisfies Record<string, Architecture>;

export type ArchitectureName = keyof typeof architectures;

export interface CreateModelOptions {
  architecture: ArchitectureName;
  /** Channels, height, width. */
  inputShape: readonly [number, number, number];
  classes: readonly string[];
  /** Of the initial weights. Default 0. */
  seed?: number;
  name?: string;
}

/**
 * A freshly initialised model with a symbolic batch size. Equal seeds give equal weights on every platform.
 *
 * @example
 * const model = createModel({ architecture: 'small-cnn', inputShape: [3, 32, 32], classes: ['cat', 'dog'] });
 */
export function createModel({
  architecture,
  inputShape,
  classes,
  seed = 0,
  name = architecture,
}: CreateModelOptions): ModelDescription {
  const g = new GraphBuilder(emptyGraph(name));
  const x = g.input('input', 'float32', [1, ...inputShape]);
  const logits = architectures[architecture]({ g, random: createRandom(seed, 'weights') }, x, classes.length);
  g.graph.inputs = [{ name: 'input', dtype: 'float32', shape: ['N', ...inputShape] }];
  g.graph.outputs = [{ name: logits.name, dtype: 'float32', shape: ['N', classes.length] }];
  g.graph.metadata['tempered.architecture'] = architecture;
  return { name, graph: g.graph, input: 'input', logits: logits.name, inputShape, classes };
}
