import type { GraphBuilder, Value } from 'onnx-grad';
import { eachImage } from '../../optimize/project.ts';
import type { Search } from '../search.ts';
import { sampleAlongFlow } from './bilinear.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import { signStep, type Transform } from './transform.ts';

export interface Elastic extends Unforeseen {
  readonly name: 'elastic';
}

/**
 * Elastic deformation: a flow field, smoothed by a Gaussian, displaces the pixels. ε is the largest displacement before
 * smoothing, in pixels, the same number as in the published tables; a step is ε/√steps pixels by default. Kang et al.
 * 2019, "Testing Robustness Against Unforeseen Adversaries".
 *
 * The Gaussian scales with the image: standard deviation 3 · size / 224, in a window of 25 · size / 224 rounded up to an
 * odd number (25 for 224 pixels, 5 for 32 and for 28). What comes from beyond the border is black.
 *
 * @example await perturb(classifier, elastic(), { images, labels, epsilon: 0.5 })
 */
export const elastic = (options: UnforeseenOptions = {}): Elastic => ({
  name: 'elastic',
  ...unforeseen(options, 'grow with ε'),
});

export const searchElastic: Search<Elastic> = searchUnforeseen((_, shape) => elasticTransform(shape));

export function elasticTransform([, height = 0, width = 0]: readonly number[]): Transform {
  const size = Math.max(height, width);
  return {
    variables: [2, height, width],
    draw(random, epsilon) {
      const variables = new Float32Array(2 * height * width);
      random.fillUniform(variables, -epsilon, epsilon);
      return { variables };
    },
    write: (g, { x, variables }) => sampleAlongFlow(g, x, smooth(g, variables, size), 'zero'),
    step(g, { variables, epsilon }, ascent, step) {
      const limit = eachImage(g, epsilon, variables);
      return g.max(g.min(signStep(g, variables, ascent, step), limit), g.neg(limit));
    },
  };
}

/** A Gaussian blur of each plane of [N, P, H, W], with zeros beyond the border. */
function smooth(g: GraphBuilder, x: Value, size: number): Value {
  const weights = gaussianWindow((3 * size) / 224, oddAtLeast((25 * size) / 224));
  const half = (weights.length - 1) / 2;
  const [count = 0, planes = 0, height = 0, width = 0] = x.shape;
  const single = g.reshape(x, [count * planes, 1, height, width]);
  const along = (value: Value, kernel: readonly number[], pads: readonly number[]) =>
    g.op('Conv', [value, g.constant(weights, [1, 1, ...kernel])], { kernel_shape: kernel, pads });
  const rows = along(single, [weights.length, 1], [half, 0, half, 0]);
  return g.reshape(along(rows, [1, weights.length], [0, half, 0, half]), x.shape);
}

const oddAtLeast = (length: number): number => 2 * Math.ceil((length - 1) / 2) + 1;

/** Gaussian weights around the middle of a window of odd length; their sum is 1. */
export function gaussianWindow(deviation: number, length: number): number[] {
  const half = (length - 1) / 2;
  const weights = Array.from({ length }, (_, i) => Math.exp(-((i - half) ** 2) / (2 * deviation ** 2)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
