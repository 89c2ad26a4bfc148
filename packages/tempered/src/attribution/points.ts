/** @file Many points of each image – on a path, in a cloud of noise – evaluated in batches that images share, and their statistics. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { type Chunk, chunks, feed, floats, padRows } from '../models/batching.ts';
import type { ProgramContext } from '../models/classifier.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor, takeRows, zeros } from '../tensor.ts';
import type { Task } from './explanation.ts';
import { checkPerImage, withLayersChecked } from './layer.ts';
import { addMoments, type Moments, noMoments } from './moments.ts';

/** What differs from point to point. */
export interface PointInput {
  /** Of one point. */
  readonly shape: readonly number[];
  /** Writes the input of a point; must depend on nothing but image and point. */
  fill(into: Float32Array, image: number, point: number): void;
}

/** What is written for the points of a run; of a value alone, it is the sample. */
export interface Sampled {
  /** The sample of each point, [batch, ...]. */
  readonly sample: Value;
  /** Numbers of each point for `trace`, [batch, T]. */
  readonly traced?: Value;
}

export interface Points {
  /** Names the program: equal keys mean equal programs. */
  readonly key: string;
  /** What progress is reported as. */
  readonly stage: string;
  /** Passes through the network for one point. */
  readonly passes: { readonly forwards: number; readonly backwards: number };
  /** How many points each image has, [N]. */
  readonly counts: ArrayLike<number>;
  /** Inputs of the program with one row an image; the program gets the row of its image at every point. */
  readonly images: Readonly<Record<string, Tensor>>;
  readonly points: Readonly<Record<string, PointInput>>;
  write(context: ProgramContext, inputs: Readonly<Record<string, Value>>): Value | Sampled;
  /** Gets T numbers of every point. */
  trace?(image: number, point: number, numbers: Float32Array): void;
  /** Central moments wanted beside the mean: 0, 1 (the variance) or 3 (up to the fourth). */
  readonly powers: 0 | 1 | 3;
  /** Whether calls differ in how many points they have: one program for most of them is then worth some empty places. */
  readonly uneven?: boolean;
  /** Weight of each point instead of 1 / count: the mean is then Σ weight · sample. Without further moments only. */
  weight?(image: number, point: number): number;
}

/** Rows of one run, image after image. */
type Row = { readonly image: number; readonly point: number };

/**
 * Evaluates all points of all images and hands over each image's moments as soon as they are complete. Only sums leave
 * the engine. An image with a sample that is not finite gets NaN everywhere, and no other image does.
 *
 * @returns the shape of one sample
 */
export async function overPoints(
  task: Task,
  points: Points,
  take: (image: number, moments: Moments) => void,
): Promise<readonly number[]> {
  const { classifier, batchSize, signal, onProgress, cost } = task;
  const { total, rowsOf } = layOut(points.counts);
  const plan = chunks(total, points.uneven ? batchSize : rowsPerRun(total, batchSize), classifier.description);
  const slots = points.uneven
    ? Math.min(plan.batch, task.images.shape[0]!)
    : plan.chunks.reduce((most, chunk) => Math.max(most, imagesOf(rowsOf(chunk)).length), 1);
  let shape: readonly number[] = [];
  // Few programs serve all numbers of images.
  const places = 2 ** Math.ceil(Math.log2(slots));
  const key = `points ${points.key}, ${points.powers} moments, ${places} images`;
  const program = await classifier.program(key, plan.batch, (context) =>
    writeStatistics(context, points, places, task.layer),
  );
  const prepare = (run: readonly Row[]) => {
    const feeds = feedsOf(run, points, plan.batch, places);
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => program.inputNames.includes(name)));
  };
  let moments: Moments | undefined;
  let feeds = prepare(rowsOf(plan.chunks[0]!));
  for (const [index, chunk] of plan.chunks.entries()) {
    signal?.throwIfAborted();
    const running = program.run(feeds);
    // The next run is prepared while the engine works on this one.
    const next = plan.chunks[index + 1];
    if (next) feeds = prepare(rowsOf(next));
    const { fetched } = await running;
    if (points.trace) traceRows(rowsOf(chunk), floats(fetched.traced!), plan.batch, points.trace);
    const parts = partsOf(rowsOf(chunk), fetched, points.powers);
    shape = fetched.mean!.shape.slice(1);
    for (const { image, part } of parts) {
      moments ??= noMoments(part.mean.length, points.powers);
      if (points.weight) addWeighted(moments, part);
      else addMoments(moments, part);
      if (moments.count < points.counts[image]!) continue;
      take(image, moments);
      moments = undefined;
    }
    cost.forwards += (chunk.end - chunk.start) * points.passes.forwards;
    cost.backwards += (chunk.end - chunk.start) * points.passes.backwards;
    onProgress?.({ stage: points.stage, done: chunk.end, total });
  }
  return shape;
}

/**
 * Rows of one run, at most `batchSize`: as many runs as that takes, with few places left over in the last. In steps of an
 * eighth, so that few programs serve all totals.
 */
function rowsPerRun(total: number, batchSize: number): number {
  const step = Math.max(1, Math.floor(batchSize / 8));
  const even = total / Math.ceil(total / batchSize);
  return Math.min(batchSize, Math.ceil(even / step) * step);
}

/** All points in one line, image after image. */
function layOut(counts: ArrayLike<number>): { total: number; rowsOf(chunk: Chunk): Row[] } {
  const ends = new Float64Array(counts.length);
  let total = 0;
  for (let image = 0; image < counts.length; image++) {
    total += counts[image]!;
    ends[image] = total;
  }
  const rowsOf = ({ start, end }: Chunk): Row[] => {
    let image = ends.findIndex((last) => last > start);
    return Array.from({ length: end - start }, (_, i) => {
      while (ends[image]! <= start + i) image += 1;
      return { image, point: start + i - (ends[image]! - counts[image]!) };
    });
  };
  return { total, rowsOf };
}

const imagesOf = (run: readonly Row[]): number[] => [...new Set(run.map(({ image }) => image))];

function addWeighted(total: Moments, part: Moments): void {
  part.mean.forEach((value, k) => {
    total.mean[k]! += value;
  });
  total.count += part.count;
}

/** Places of a batch beyond the last point repeat it, with weight 0: elsewhere the network may not be finite. */
function feedsOf(run: readonly Row[], points: Points, batch: number, slots: number): Record<string, HostTensor> {
  const images = imagesOf(run);
  const slotOf = new Int32Array(batch);
  const weights = zeros([slots, batch]);
  for (let place = 0; place < batch; place++) {
    const { image, point } = run[Math.min(place, run.length - 1)]!;
    const slot = images.indexOf(image);
    slotOf[place] = slot;
    if (place < run.length)
      weights.data[slot * batch + place] = points.weight?.(image, point) ?? 1 / countIn(run, image);
  }
  const slotImages = Array.from({ length: slots }, (_, slot) => images[Math.min(slot, images.length - 1)]!);
  const perImage = Object.entries(points.images).map(
    ([name, tensor]) => [name, feed(takeRows(tensor, slotImages))] as const,
  );
  const perPoint = Object.entries(points.points).map(([name, { shape, fill }]) => {
    const tensor = zeros([run.length, ...shape]);
    run.forEach(({ image, point }, row) => {
      fill(rows(tensor, row, row + 1).data, image, point);
    });
    return [name, feed(padRows(tensor, { start: 0, end: run.length }, batch))] as const;
  });
  const slot: HostTensor = { dtype: 'int32', shape: [batch], data: slotOf };
  return { slot, weights: feed(weights), ...Object.fromEntries([...perImage, ...perPoint]) };
}

const countIn = (run: readonly Row[], image: number): number => run.filter((row) => row.image === image).length;

function writeStatistics(context: ProgramContext, points: Points, slots: number, layer: string | undefined): void {
  const { g, batch } = context;
  const slot = g.input('slot', 'int32', [batch]);
  const weights = g.input('weights', 'float32', [slots, batch]);
  const perImage = Object.entries(points.images).map(
    ([name, { shape }]) =>
      // Gathered, not multiplied with ones and zeros: 0 · ∞ would spoil other images.
      [name, g.gather(g.input(name, 'float32', [slots, ...shape.slice(1)]), slot, 0)] as const,
  );
  const perPoint = Object.entries(points.points).map(
    ([name, { shape }]) => [name, g.input(name, 'float32', [batch, ...shape])] as const,
  );
  const written = points.write(withLayersChecked(context), Object.fromEntries([...perImage, ...perPoint]));
  const { sample, traced }: Sampled = 'sample' in written ? written : { sample: written };
  if (traced) g.output(traced, 'traced');
  checkPerImage(sample, batch, layer);
  const shape = sample.shape.slice(1);
  const flat = g.reshape(sample, [batch, sizeOf(shape)]);
  const { finite, astray } = slots === 1 ? { finite: flat, astray: undefined } : splitFinite(g, flat, slot, slots);
  const perSlot = (value: Value) => g.reshape(value, [slots, ...shape]);
  const mean = g.matmul(weights, finite);
  g.output(perSlot(mean), 'mean');
  g.output(astray ?? g.reduceMax(strays(g, mean), [1], true), 'astray');
  if (points.powers === 0) return;
  const deviation = g.sub(finite, g.gather(mean, slot, 0));
  let power = deviation;
  for (let k = 0; k < points.powers; k++) {
    power = g.mul(power, deviation);
    g.output(perSlot(g.matmul(weights, power)), `power_${k}`);
  }
}

/** 1 for numbers that are not finite, 0 for others. */
const strays = (g: GraphBuilder, values: Value): Value =>
  // The comparison is false for NaN.
  g.where(g.lessOrEqual(g.abs(values), g.constant(3.4e38)), g.constant(0), g.constant(1));

/**
 * Samples with zeros for those that are not finite, since 0 · ∞ would spoil the sums of other images; and how many samples
 * of each image were such, [images, 1].
 */
function splitFinite(g: GraphBuilder, samples: Value, slot: Value, slots: number): { finite: Value; astray: Value } {
  // One number that is not finite makes the sum of its sample such.
  const stray = strays(g, g.reduceSum(samples, [1], true));
  const numbers = g.constant(
    Array.from({ length: slots }, (_, k) => k),
    [slots, 1],
  );
  const belongs = g.cast(g.equal(numbers, g.unsqueeze(g.cast(slot, 'float32'), [0])), 'float32');
  return {
    finite: g.where(g.greater(stray, g.constant(0)), g.constant(0), samples),
    astray: g.matmul(belongs, stray),
  };
}

function traceRows(
  run: readonly Row[],
  numbers: Float32Array,
  batch: number,
  trace: NonNullable<Points['trace']>,
): void {
  const size = numbers.length / batch;
  run.forEach(({ image, point }, row) => {
    trace(image, point, numbers.subarray(row * size, (row + 1) * size));
  });
}

/** What a run adds to each of its images. */
function partsOf(
  run: readonly Row[],
  fetched: Readonly<Record<string, HostTensor>>,
  powers: number,
): { image: number; part: Moments }[] {
  const astray = floats(fetched.astray!);
  const size = sizeOf(fetched.mean!.shape.slice(1));
  const of = (name: string, slot: number) =>
    Float64Array.from(floats(fetched[name]!).subarray(slot * size, (slot + 1) * size));
  return imagesOf(run).map((image, slot) => {
    const count = countIn(run, image);
    const mean = of('mean', slot);
    if (astray[slot]! > 0) mean.fill(Number.NaN);
    const sums = Array.from({ length: powers }, (_, k) => of(`power_${k}`, slot).map((value) => count * value));
    return { image, part: { count, mean, powers: sums } };
  });
}
