import type { GraphBuilder, Value } from 'onnx-grad';
import { clipToBox, eachImage } from '../../optimize/project.ts';
import { cosTurns, sinTurns } from '../../portable-math.ts';
import type { Random } from '../../random.ts';
import type { Search } from '../search.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import { clip, fillUnitInterval, signStep, type Transform } from './transform.ts';

export interface Gabor extends Unforeseen {
  readonly name: 'gabor';
}

/**
 * Gabor noise: sparse points, whose weights are the variables, convolved with a Gabor kernel drawn for each image, made
 * even in contrast, stretched to [0, 1] and added: clip(x + ε·noise). ε is the brightest noise in pixel units: 400/255
 * where the published tables, which speak of pixels from 0 to 255, say 400. Kang et al. 2019, "Testing Robustness
 * Against Unforeseen Adversaries"; the noise: Lagae et al. 2009, Co et al. 2019.
 *
 * The variables live in [−1, 1] on one pixel in 14; steps have a fixed length, 0.002236 by default. The noise is the
 * same for all channels.
 *
 * @example await perturb(classifier, gabor(), { images, labels, epsilon: 25 / 255 })
 */
export const gabor = (options: UnforeseenOptions = {}): Gabor => ({
  name: 'gabor',
  ...unforeseen(options, 'in a unit box'),
});

export const searchGabor: Search<Gabor> = searchUnforeseen((_, shape) => gaborTransform(shape));

const KERNEL = 23;
const DENSITY = 1 / 14;

export function gaborTransform([, height = 0, width = 0]: readonly number[]): Transform {
  return {
    variables: [1, height, width],
    constants: { support: [1, height, width], kernel: [1, KERNEL, KERNEL] },
    draw(random) {
      const support = Float32Array.from({ length: height * width }, () => Number(random.uniform() < DENSITY));
      const variables = new Float32Array(height * width);
      random.fillUniform(variables, -1, 1);
      return {
        variables: variables.map((weight, i) => weight * support[i]!),
        constants: { support, kernel: drawKernel(random) },
      };
    },
    write(g, { x, variables, constants, epsilon }) {
      const noise = fillUnitInterval(g, evenContrast(g, convolveEach(g, variables, constants.kernel!)));
      return clipToBox(g, g.add(x, g.mul(noise, eachImage(g, epsilon, x))));
    },
    step: (g, { variables, constants }, ascent, step) =>
      clip(g, g.mul(signStep(g, variables, ascent, step), constants.support!), -1, 1),
  };
}

/** Planes [N, 1, H, W], each convolved with its own kernel, [N, 1, k, k], k odd, with zeros beyond the border. */
function convolveEach(g: GraphBuilder, planes: Value, kernels: Value): Value {
  const [count = 0, , height = 0, width = 0] = planes.shape;
  const size = kernels.shape[2]!;
  const pads = new Array(4).fill((size - 1) / 2);
  const together = g.reshape(planes, [1, count, height, width]);
  const result = g.op('Conv', [together, kernels], { kernel_shape: [size, size], pads, group: count });
  return g.reshape(result, planes.shape);
}

/**
 * Brings weak and strong parts of noise to the same contrast, d → 1.001·m·d / (|d| + 0.001·m) for the deviation d from
 * the mean, m the largest |d| of the image. This is the normalisation by spectral variance of the noise literature (Co
 * et al. 2019), where the "spectral variance" is the inverse Fourier transform of the transform of d²: d² itself.
 */
function evenContrast(g: GraphBuilder, noise: Value): Value {
  const deviation = g.sub(noise, g.reduceMean(noise, [1, 2, 3], true));
  const size = g.abs(deviation);
  const largest = g.max(g.reduceMax(size, [1, 2, 3], true), g.constant(1e-9));
  const relative = g.div(deviation, largest);
  return g.div(g.scale(relative, 1.001), g.offset(g.abs(relative), 0.001));
}

/**
 * A sum of 1 to 10 Gabor functions exp(−πσ²r²)·cos(2πx'/λ), turned by equal parts of half a turn from a random
 * orientation; σ from 0.1 to 0.4 and λ from 3 to 23/4 pixels at random.
 */
function drawKernel(random: Random): Float32Array {
  const bandwidth = 0.1 + 0.3 * random.uniform();
  const wavelength = 3 + (KERNEL / 4 - 3) * random.uniform();
  const orientation = random.uniform() / 2;
  const sides = 1 + random.integer(10);
  const half = (KERNEL - 1) / 2;
  return Float32Array.from({ length: KERNEL * KERNEL }, (_, i) => {
    const [row, column] = [Math.floor(i / KERNEL) - half, (i % KERNEL) - half];
    const envelope = Math.exp(-Math.PI * bandwidth ** 2 * (row * row + column * column));
    let sum = 0;
    for (let side = 0; side < sides; side++) {
      const turns = orientation + side / (2 * sides);
      sum += cosTurns((column * cosTurns(turns) + row * sinTurns(turns)) / wavelength);
    }
    return envelope * sum;
  });
}
