/** @file RISE: what is explained, averaged over random soft masks that show a pixel. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { feed, fixedBatch, floats, scalar } from '../../models/batching.ts';
import type { ClassifierProgram } from '../../models/classifier.ts';
import { createRandom, type Random } from '../../random.ts';
import type { HostTensor, ResidentTensor } from '../../runtime/runtime.ts';
import { rows, zeros } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
import { type Baseline, baselineDraws, baselinesOf } from '../baseline.ts';
import { checkChoice } from '../check-choice.ts';
import { checkCount } from '../check-count.ts';
import type { Explain, Task } from '../explanation.ts';
import { refuseLayer } from '../refuse-layer.ts';
import { relativeErrors } from '../standard-error.ts';
import { type AtEngine, keyOfMasked, readBy, withMasked, writeMasked } from './masked.ts';

const NORMALISATIONS = ['expected', 'empirical'] as const;

/** What a pixel's sum of values is divided by. */
export type RiseNormalisation = (typeof NORMALISATIONS)[number];

export interface Rise {
  readonly name: 'rise';
  readonly samples: number;
  readonly cells: number;
  readonly probability: number;
  readonly normalisation: RiseNormalisation;
  readonly baseline: Baseline;
}

/**
 * The mean of what is explained over random masks, weighed by how much of a pixel each one shows (Petsiuk et al. 2018,
 * eq. 6): grids of cells that are on with a probability, enlarged bilinearly and shifted by random whole pixels within a
 * cell. One channel; what matters is where a map is high, not its sign.
 *
 * @example
 * await attribute(classifier, { images, method: rise({ samples: 2000 }), of: 'probability' });
 */
export const rise = ({
  samples = 4000,
  cells = 7,
  probability = 0.5,
  normalisation = 'expected',
  baseline = 'black',
}: {
  /** Masks an image. Default 4000. */
  samples?: number;
  /** Cells along a side of the grid, at most the pixels along the shorter side. Default 7. */
  cells?: number;
  /** Of a cell to be on, between 0 and 1. Default 0.5. */
  probability?: number;
  /**
   * `expected` divides by samples · probability, the expected sum of the masks at each pixel: unbiased, and what the
   * paper does. `empirical` divides by the sum itself: a weighted mean of values, which a constant added to all of them
   * does not make noisier. Default expected.
   */
  normalisation?: RiseNormalisation;
  /** What lies under the mask. Default black (zeros). */
  baseline?: Baseline;
} = {}): Rise => ({ name: 'rise', samples, cells, probability, normalisation, baseline });

export const explainRise: Explain<Rise> = async (task, method) => {
  checkRise(task, method);
  const { samples } = method;
  const { classifier, images, seed, imageNumbers, batchSize, onProgress } = task;
  const [, height = 0, width = 0] = classifier.inputShape;
  const area = height * width;
  const count = images.shape[0]!;
  const batch = fixedBatch(classifier.description) ?? Math.min(samples, batchSize);
  const program = await compile(task, method, batch);
  const output = await valuesAt(task);
  const baselines = baselinesOf(task, method.baseline);
  const attributions = zeros([count, 1, height, width]);
  const standardError: number[] = [];
  for (let i = 0; i < count; i++) {
    // A weighted mean does not change with the origin of values, only its rounding does.
    const origin = method.normalisation === 'empirical' ? output[i]! : 0;
    const random = createRandom(seed, method.name, imageNumbers[i]!);
    const masked = { row: i, values: rows(images, i, i + 1), baselines: [rows(baselines, i, i + 1)] };
    const sums = await withMasked(task, masked, { origin: scalar(origin) }, (at) =>
      addUp(task, program, at, method, batch, random, (done) =>
        onProgress?.({ stage: method.name, done: i * samples + done, total: count * samples }),
      ),
    );
    const { map, squaredErrors } = summarise(sums, area, origin, method);
    attributions.data.set(map, i * area);
    if (samples > 1) standardError.push(relativeErrors({ values: map, squaredErrors }));
  }
  return { attributions, output, ...(samples > 1 && { certificate: { standardError } }) };
};

function checkRise(task: Task, { name, samples, cells, probability, normalisation, baseline }: Rise): void {
  refuseLayer(task, name);
  if (baselineDraws(baseline) !== 1)
    throw new UsageError('RISE masks towards one baseline an image: an average of several is none');
  const shape = task.classifier.inputShape;
  if (shape.length !== 3)
    throw new UsageError(`RISE explains images [C, H, W], not inputs of shape [${shape.join(', ')}]`);
  checkCount('samples', samples);
  checkCount('cells', cells);
  const side = Math.min(...shape.slice(1));
  if (cells > side)
    throw new UsageError(`images of ${side} pixels along their shorter side have no ${cells} cells there: take fewer`);
  checkChoice('normalisation', normalisation, NORMALISATIONS);
  if (!(probability > 0 && probability < 1))
    throw new UsageError(`the probability of a cell must lie between 0 and 1, not ${probability}`);
}

/** Sums over masks m with values v, taken from the origin: Σvm, Σm, Σv²m², Σvm², Σm². */
const SUMS = 5;

function compile(task: Task, { cells }: Rise, batch: number): Promise<ClassifierProgram> {
  const { classifier } = task;
  const [, height = 0, width = 0] = classifier.inputShape;
  const area = height * width;
  return classifier.program(`rise with ${cells} cells, ${keyOfMasked(task)}`, batch, (context) => {
    const { g } = context;
    const grid = g.input('grid', 'float32', [batch, cells, cells]);
    const down = interpolation(g, g.input('down', 'float32', [batch]), height, cells);
    const right = interpolation(g, g.input('right', 'float32', [batch]), width, cells);
    const mask = g.matmul(g.matmul(down, grid), g.matrixTranspose(right));
    const value = writeMasked(context, task, classifier.inputShape, g.reshape(mask, [batch, 1, height, width]));
    const used = g.reshape(g.input('used', 'float32', [batch]), [1, batch]);
    const total = g.input('total', 'float32', [SUMS, area]);
    const fromOrigin = g.reshape(g.sub(value, g.input('origin', 'float32', [])), [1, batch]);
    const first = g.mul(fromOrigin, used);
    const flat = g.reshape(mask, [batch, area]);
    const sums = g.concat(
      [
        g.matmul(g.concat([first, used], 0), flat),
        g.matmul(g.concat([g.mul(first, fromOrigin), first, used], 0), g.square(flat)),
      ],
      0,
    );
    g.output(g.add(total, sums), 'total_next');
  });
}

/** Pixels of an enlarged cell. */
const cellLength = (length: number, cells: number): number => Math.ceil(length / cells);

/**
 * Weights [batch, length, cells] of the cells at each pixel: the grid is enlarged to one cell more than the image is
 * long, of which the image sees what begins `shift` pixels in.
 */
function interpolation(g: GraphBuilder, shift: Value, length: number, cells: number): Value {
  const scale = cells / (cellLength(length, cells) * (cells + 1));
  const pixels = g.constant(
    Array.from({ length }, (_, i) => i + 0.5),
    [1, length, 1],
  );
  const place = g.offset(g.scale(g.add(g.reshape(shift, [-1, 1, 1]), pixels), scale), -0.5);
  const within = g.min(g.relu(place), g.constant(cells - 1));
  const own = g.constant(
    Array.from({ length: cells }, (_, i) => i),
    [1, 1, cells],
  );
  return g.relu(g.offset(g.neg(g.abs(g.sub(within, own))), 1));
}

/** Runs all masks of one image; the sums stay with the engine until the last batch. */
async function addUp(
  { classifier, signal, cost }: Task,
  program: ClassifierProgram,
  { fixed, baselines }: AtEngine,
  { samples, cells, probability }: Rise,
  batch: number,
  random: Random,
  onMasks: (done: number) => void,
): Promise<Float32Array> {
  const [, height = 0, width = 0] = classifier.inputShape;
  let total: HostTensor | ResidentTensor = feed(zeros([SUMS, height * width]));
  try {
    for (let start = 0; start < samples; start += batch) {
      signal?.throwIfAborted();
      const done = Math.min(start + batch, samples);
      const drawn = drawMasks(random, done - start, batch, { cells, probability, height, width });
      const feeds = readBy(program, { ...fixed, baseline: baselines[0]!, ...drawn, total });
      const { kept } = await program.run(feeds, { fetch: [], keep: ['total_next'] });
      if ('resident' in total) total.release();
      total = kept.total_next!;
      cost.forwards += done - start;
      onMasks(done);
    }
    return 'resident' in total ? floats(await total.read()) : floats(total);
  } finally {
    if ('resident' in total) total.release();
  }
}

/** Grids and shifts of the next `used` masks; the rest of the batch repeats the last one and does not count. */
function drawMasks(
  random: Random,
  used: number,
  batch: number,
  { cells, probability, height, width }: { cells: number; probability: number; height: number; width: number },
): Record<'grid' | 'down' | 'right' | 'used', HostTensor> {
  const size = cells * cells;
  const grid = new Float32Array(batch * size);
  const [down, right, counts] = [new Float32Array(batch), new Float32Array(batch), new Float32Array(batch)];
  for (let i = 0; i < batch; i++) {
    if (i >= used) {
      down[i] = down[used - 1]!;
      right[i] = right[used - 1]!;
      grid.copyWithin(i * size, (used - 1) * size, used * size);
      continue;
    }
    counts[i] = 1;
    down[i] = random.integer(cellLength(height, cells));
    right[i] = random.integer(cellLength(width, cells));
    for (let cell = i * size; cell < (i + 1) * size; cell++) grid[cell] = random.uniform() < probability ? 1 : 0;
  }
  const vector = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [batch], data });
  return {
    grid: { dtype: 'float32', shape: [batch, cells, cells], data: grid },
    down: vector(down),
    right: vector(right),
    used: vector(counts),
  };
}

/** The map and the square of the standard error of each of its pixels. */
function summarise(
  sums: Float32Array,
  area: number,
  origin: number,
  { samples, probability, normalisation }: Rise,
): { map: Float32Array; squaredErrors: Float64Array } {
  const map = new Float32Array(area);
  const squaredErrors = new Float64Array(area);
  for (let p = 0; p < area; p++) {
    const [weighted = 0, masks = 0, weightedSquares = 0, weightedOnce = 0, maskSquares = 0] = Array.from(
      { length: SUMS },
      (_, k) => sums[k * area + p]!,
    );
    if (normalisation === 'expected') {
      map[p] = weighted / (samples * probability);
      const variance = Math.max(0, weightedSquares - (weighted * weighted) / samples) / (samples - 1);
      squaredErrors[p] = variance / samples / probability ** 2;
    } else {
      // A pixel that no mask shows is like the whole image.
      const mean = masks === 0 ? 0 : weighted / masks;
      map[p] = origin + mean;
      // The delta method for a ratio of sums.
      const squares = weightedSquares - 2 * mean * weightedOnce + mean * mean * maskSquares;
      squaredErrors[p] = masks === 0 ? 0 : Math.max(0, squares) / masks ** 2;
    }
  }
  return { map, squaredErrors };
}
