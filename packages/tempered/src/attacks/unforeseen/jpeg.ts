import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { balls } from '../../optimize/ball.ts';
import { clipToBox, eachImage } from '../../optimize/project.ts';
import type { Random } from '../../random.ts';
import type { Search } from '../search.ts';
import { frankWolfeStep } from './frank-wolfe.ts';
import { type Coefficients, decode, encode, unitOf } from './jpeg-codec.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import { signStep, type Transform } from './transform.ts';

export type CoefficientNorm = 'linf' | 'l2' | 'l1';

export interface Jpeg extends Unforeseen {
  readonly name: 'jpeg';
  readonly coefficientNorm: CoefficientNorm;
}

export interface JpegOptions extends UnforeseenOptions {
  /** Norm of the ball in which the coefficients move. Default `'linf'`. */
  coefficientNorm?: CoefficientNorm;
}

/**
 * JPEG: the image is compressed with the standard tables (YCbCr, 4:2:0, 8 × 8 cosine transform), and where JPEG would
 * round a quantised coefficient, half a variable is added to it: |variables| ≤ ε under the norm, so that ε = 1 in linf
 * moves coefficients as far as rounding can. ε is the same number as in the published tables; a step is ε/√steps by
 * default: a sign step (linf), along the normalised gradient (l2), or by Frank–Wolfe with variables in [−1, 1] (l1).
 * Kang et al. 2019, "Testing Robustness Against Unforeseen Adversaries".
 *
 * Nothing is rounded; subsampled colour is all that changes without variables. Grey images have no colour to subsample.
 * Sides that are not whole units of 16 pixels (8 in grey) are continued by their last pixel while compressed.
 *
 * @example await perturb(classifier, jpeg({ coefficientNorm: 'l2' }), { images, labels, epsilon: 8 })
 */
export const jpeg = ({ coefficientNorm = 'linf', ...options }: JpegOptions = {}): Jpeg => ({
  name: 'jpeg',
  coefficientNorm,
  ...unforeseen(options, 'grow with ε'),
});

export const searchJpeg: Search<Jpeg> = searchUnforeseen(({ coefficientNorm }, shape) =>
  jpegTransform(shape, coefficientNorm),
);

/**
 * Largest variable under the l1 norm: a coefficient moves as far as rounding can. The published code's "2 for each
 * coordinate" is the width of that interval: with ±2, the attack is far stronger than published (see Boopathy et al.
 * 2020, table 2: accuracy .23 at ε = 256; .23 is found with ±1, .08 with ±2).
 */
const L1_ROOM = 1;

export function jpegTransform(shape: readonly number[], norm: CoefficientNorm): Transform {
  const [channels = 0, height = 0, width = 0] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3))
    throw new UsageError(
      `the attack 'jpeg' works on grey and RGB images, not on inputs of shape [${shape.join(', ')}]`,
    );
  const unit = unitOf(channels);
  const [rows, columns] = [Math.ceil(height / unit) * unit, Math.ceil(width / unit) * unit];
  const size = rows * columns * (channels === 1 ? 1 : 1.5);
  return {
    variables: [size],
    draw: (random, epsilon) => ({ variables: randomStart(norm, new Float32Array(size), epsilon, random) }),
    write(g, { x, variables }) {
      const pads = g.integers([0, 0, 0, 0, 0, 0, rows - height, columns - width]);
      const whole = rows === height && columns === width ? x : g.op('Pad', [x, pads], { mode: 'edge' });
      const decoded = decode(g, displaced(g, encode(g, whole), g.scale(variables, 1 / 2)));
      return clipToBox(g, g.slice(decoded, { starts: [0, 0], ends: [height, width], axes: [2, 3] }));
    },
    step: (g, { variables, epsilon }, ascent, step) => steps[norm](g, variables, ascent, epsilon, step),
  };
}

function randomStart(norm: CoefficientNorm, point: Float32Array, epsilon: number, random: Random): Float32Array {
  balls[norm].randomPoint(point, epsilon, random);
  return norm === 'l1' ? point.map((value) => Math.min(L1_ROOM, Math.max(-L1_ROOM, value))) : point;
}

/** Coefficients plus shifts [N, M], of Y first. */
function displaced(g: GraphBuilder, { luminance, chrominance }: Coefficients, shifts: Value): Coefficients {
  if (chrominance === undefined) return { luminance: g.add(luminance, g.reshape(shifts, luminance.shape)) };
  const [count = 0, , height = 0, width = 0] = luminance.shape;
  const [y, differences] = g.split(shifts, [height * width, (height * width) / 2], 1) as [Value, Value];
  return {
    luminance: g.add(luminance, g.reshape(y, [count, 1, height, width])),
    chrominance: g.add(chrominance, g.reshape(differences, chrominance.shape)),
  };
}

type Step = (g: GraphBuilder, variables: Value, ascent: Value, epsilon: Value, size: Value) => Value;

const steps: Readonly<Record<CoefficientNorm, Step>> = {
  linf(g, variables, ascent, epsilon, size) {
    const limit = eachImage(g, epsilon, variables);
    return g.max(g.min(signStep(g, variables, ascent, size), limit), g.neg(limit));
  },
  l2(g, variables, ascent, epsilon, size) {
    const moved = balls.l2.step(g, variables, ascent, eachImage(g, size, variables));
    const length = g.sqrt(g.reduceSum(g.square(moved), [1], true));
    return g.mul(moved, g.min(g.div(eachImage(g, epsilon, moved), g.max(length, g.constant(1e-12))), g.constant(1)));
  },
  l1: (g, variables, ascent, epsilon, size) =>
    frankWolfeStep(g, variables, ascent, g.constant(L1_ROOM, variables.shape), epsilon, size),
};
