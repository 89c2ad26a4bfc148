import type { GraphBuilder, Value } from 'onnx-grad';
import { clipToBox, eachImage } from '../../optimize/project.ts';
import { cosTurns, sinTurns } from '../../portable-math.ts';
import type { Random } from '../../random.ts';
import type { Search } from '../search.ts';
import { checkSizes } from '../settings.ts';
import { gaussianWindow } from './elastic.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import { signStep, type Transform } from './transform.ts';

export interface Snow extends Unforeseen {
  readonly name: 'snow';
  /** Largest mean intensity of the flakes in a block of a map. */
  readonly budget: number;
}

export interface SnowOptions extends UnforeseenOptions {
  /** Largest mean intensity of the flakes in an 8 × 8 block of a map. Default 0.2. */
  budget?: number;
}

/**
 * Snow: flakes, whose intensities are the variables, drawn out to short lines and added to the brightened image:
 * clip(x_b + ε·snow). ε is the brightness of a full flake's line in pixel units, the same number as in the published
 * tables. Kang et al. 2019, "Testing Robustness Against Unforeseen Adversaries".
 *
 * Seven maps of intensities in [0, 1], one for each 4 × 4 pixels, lie on grids that differ in their offset; each has a
 * line kernel of its own, drawn for each image. Steps have a fixed length, 0.002236 by default; after a step, 8 × 8 blocks
 * of a map whose mean intensity exceeds the budget are scaled down to it. Grey images count as their own grey value.
 *
 * @example await perturb(classifier, snow(), { images, labels, epsilon: 2 })
 */
export function snow({ budget = 0.2, ...options }: SnowOptions = {}): Snow {
  checkSizes('snow', { budget });
  return { name: 'snow', ...unforeseen(options, 'in a unit box'), budget };
}

export const searchSnow: Search<Snow> = searchUnforeseen(({ budget }, shape) => snowTransform(shape, budget));

const MAPS = 7;
/** Pixels from one flake of a map to the next. */
const STRIDE = 4;
/** Flakes along a side of a budget's block. */
const BLOCK = 8;
const KERNEL = 13;

export function snowTransform([, height = 0, width = 0]: readonly number[], budget = 0.2): Transform {
  const maps = [MAPS, Math.ceil(height / STRIDE), Math.ceil(width / STRIDE)];
  return {
    variables: maps,
    constants: { kernels: [MAPS, KERNEL, KERNEL] },
    draw: (random) => ({
      variables: Float32Array.from({ length: maps[0]! * maps[1]! * maps[2]! }, () => Math.exp(-random.uniform() / 0.2)),
      constants: { kernels: Float32Array.from(Array.from({ length: MAPS }, () => drawLine(random)).flat()) },
    }),
    write(g, { x, variables, constants, epsilon }) {
      const flakes = spreadOut(g, g.square(g.square(variables)), height, width);
      const snow = streaks(g, flakes, constants.kernels!);
      return clipToBox(g, g.add(brightened(g, x), g.mul(snow, eachImage(g, epsilon, x))));
    },
    step: (g, { variables }, ascent, step) =>
      withinBudget(g, clipToBox(g, signStep(g, variables, ascent, step)), budget),
  };
}

/** 0.75 x + 0.25 max(x, 1.5 grey(x) + 0.5): a snowy day's light. Hendrycks & Dietterich 2019. */
function brightened(g: GraphBuilder, x: Value): Value {
  const channels = x.shape[1]!;
  const shares = channels === 3 ? [0.299, 0.587, 0.114] : new Array(channels).fill(1 / channels);
  const grey = g.reduceSum(g.mul(x, g.constant(shares, [1, channels, 1, 1])), [1], true);
  const light = g.max(x, g.offset(g.scale(grey, 1.5), 0.5));
  return g.add(g.scale(x, 0.75), g.scale(light, 0.25));
}

/** Maps [N, 7, h, w] on grids of one pixel in 4 × 4, [N, 7, H, W]: four of them with offset columns, three with offset rows. */
function spreadOut(g: GraphBuilder, maps: Value, height: number, width: number): Value {
  const [count = 0, , h = 0, w = 0] = maps.shape;
  const places = new Array(MAPS * STRIDE * STRIDE).fill(0);
  for (let map = 0; map < MAPS; map++) {
    const [row, column] = map < STRIDE ? [0, map] : [map - STRIDE + 1, 0];
    places[(map * STRIDE + row) * STRIDE + column] = 1;
  }
  const spread = g.mul(g.reshape(maps, [count, MAPS, h, 1, w, 1]), g.constant(places, [1, MAPS, 1, STRIDE, 1, STRIDE]));
  const whole = g.reshape(spread, [count, MAPS, h * STRIDE, w * STRIDE]);
  return g.slice(whole, { starts: [0, 0], ends: [height, width], axes: [2, 3] });
}

/** The maps of each image, [N, 7, H, W], convolved with their kernels [N, 7, k, k] and added up, [N, 1, H, W]. */
function streaks(g: GraphBuilder, maps: Value, kernels: Value): Value {
  const [count = 0, channels = 0, height = 0, width = 0] = maps.shape;
  const together = g.reshape(maps, [1, count * channels, height, width]);
  const pads = new Array(4).fill((KERNEL - 1) / 2);
  const result = g.op('Conv', [together, kernels], { kernel_shape: [KERNEL, KERNEL], pads, group: count });
  return g.reshape(result, [count, 1, height, width]);
}

/** Intensities [N, 7, h, w], scaled down in each block of 8 × 8 whose mean exceeds the budget. */
function withinBudget(g: GraphBuilder, maps: Value, budget: number): Value {
  const [count = 0, channels = 0, h = 0, w = 0] = maps.shape;
  const [rows, columns] = [Math.ceil(h / BLOCK), Math.ceil(w / BLOCK)];
  const padded = g.pad(maps, [0, 0, 0, 0], [0, 0, rows * BLOCK - h, columns * BLOCK - w]);
  const blocks = g.reshape(padded, [count, channels, rows, BLOCK, columns, BLOCK]);
  // At the border a block is cut off: its mean is that of the flakes that are there.
  const inside = (length: number, block: number) => Math.min(BLOCK, length - block * BLOCK);
  const sizes = Array.from(
    { length: rows * columns },
    (_, i) => inside(h, Math.floor(i / columns)) * inside(w, i % columns),
  );
  const mean = g.div(g.reduceSum(blocks, [3, 5], true), g.constant(sizes, [1, 1, rows, 1, columns, 1]));
  const factor = g.min(g.div(g.constant(budget), g.max(mean, g.constant(1e-9))), g.constant(1));
  const scaled = g.reshape(g.mul(blocks, factor), padded.shape);
  return g.slice(scaled, { starts: [0, 0], ends: [h, w], axes: [2, 3] });
}

/** Widths of a line and how often they are drawn. */
const WIDTHS: readonly (readonly [width: number, share: number])[] = [
  [1, 0.6],
  [3, 0.3],
  [5, 0.1],
];

/**
 * A line of 13 pixels and brightness 1 in a random direction and width, blurred by a Gaussian of standard deviation 0.41
 * to 0.6.
 */
function drawLine(random: Random): number[] {
  const half = (KERNEL - 1) / 2;
  const turns = random.uniform() / 4;
  const flip = random.uniform() < 0.5 ? 1 : -1;
  const [across, down] = [flip * cosTurns(turns), sinTurns(turns)];
  let choice = random.uniform();
  const width = WIDTHS.find(([, share]) => {
    choice -= share;
    return choice < 0;
  })?.[0];
  const blur = gaussianWindow(0.41 + 0.19 * random.uniform(), 5);
  const line = Array.from({ length: KERNEL * KERNEL }, (_, i) => {
    const [row, column] = [Math.floor(i / KERNEL) - half, (i % KERNEL) - half];
    const along = Math.min(half, Math.max(-half, column * across + row * down));
    const distance = Math.sqrt((column - along * across) ** 2 + (row - along * down) ** 2);
    return Math.min(1, Math.max(0, ((width ?? 1) + 1) / 2 - distance));
  });
  return blurAlong(blurAlong(line, blur, 1), blur, KERNEL);
}

/** A square kernel convolved with `weights` along its rows (stride 1) or columns (stride 13). */
function blurAlong(kernel: readonly number[], weights: readonly number[], stride: 1 | 13): number[] {
  const half = (weights.length - 1) / 2;
  return kernel.map((_, i) => {
    const position = stride === 1 ? i % KERNEL : Math.floor(i / KERNEL);
    return weights.reduce((sum, weight, k) => {
      const neighbour = position + k - half;
      return neighbour < 0 || neighbour >= KERNEL ? sum : sum + weight * kernel[i + (k - half) * stride]!;
    }, 0);
  });
}
