/** @file The maps of a model on whole images, kept as a byte a pixel: between which percentiles it stands. */
import { readFile } from 'node:fs/promises';
import { attribute } from '../../attribution/attribute.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import { batches, type Dataset } from '../../data/dataset.ts';
import { type NpyArray, parseNpz, writeNpz } from '../../data/npy.ts';
import { DataError } from '../../errors.ts';
import { bandsByRank, bandsByThreshold } from '../../evaluation/roar/bands.ts';
import { addTieNoise, heatMap, TIE_NOISE } from '../../evaluation/roar/heat-map.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import { createRandom } from '../../random.ts';
import type { RoarMethod, RoarProtocol, Unranked } from '../../report/roar-result.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import type { RoarConfiguration } from './configuration.ts';
import type { RoarContext } from './context.ts';
import { withModel } from './models.ts';

export const SPLITS = ['train', 'test'] as const;
export type RoarSplit = (typeof SPLITS)[number];

/** What chose the pixels: a method, or chance. */
export type Chooser = RoarMethod | 'random';

const bandsFile = (model: string, method: Chooser, protocol: RoarProtocol): string =>
  `bands/${model}-${method}-${protocol}.npz`;

/** Images explained at once. */
const BLOCK = 500;

/**
 * Attributions of both methods on a scale of [−1, 1], twice ours, from one gradient: that of the cross-entropy at the
 * predicted class. [N, C, H, W] flat.
 */
export async function attributionsOf(
  classifier: Classifier,
  images: Tensor,
  { signal }: Work = {},
): Promise<Record<RoarMethod, Float32Array>> {
  const { attributions } = await attribute(classifier, {
    images,
    method: plainGradient(),
    of: 'loss',
    batchSize: 100,
    signal,
  });
  const saliency = attributions.data.map((slope) => Math.abs(slope) / 2);
  const product = attributions.data.map((slope, i) => ((2 * images.data[i]! - 1) * slope) / 2);
  return { saliency, 'gradient-times-input': product };
}

/**
 * Explains all images of both splits by one model and writes the bands of every method and protocol, unless an earlier start
 * of the run has.
 *
 * @returns by method, what of the maps of the test images does not rank pixels
 */
export async function writeBands(context: RoarContext, model: string, runtime: Runtime): Promise<Unranked[]> {
  const { run, configuration, sets } = context;
  const { methods, protocols } = configuration;
  const channels = sets.train.imageShape[0];
  const kinds = methods.flatMap((method) => protocols.map((protocol) => ({ method, protocol })));
  const files = kinds.map(({ method, protocol }) => bandsFile(model, method, protocol));
  const compute = () =>
    withModel(context, model, runtime, async (classifier) => {
      const writers = kinds.map((kind) => ({ ...kind, arrays: emptyBands(context, kind.protocol) }));
      const counts = methods.map((method) => ({ method, pixels: 0, ties: 0, drowned: 0 }));
      for (const split of SPLITS) {
        for (const indices of batches(sets[split], { batchSize: BLOCK })) {
          const { images } = sets[split].batch(indices);
          const maps = await attributionsOf(classifier, images, context);
          const size = images.data.length / indices.length;
          indices.forEach((number, row) => {
            const of = (method: RoarMethod) => maps[method].subarray(row * size, (row + 1) * size);
            for (const { method, protocol, arrays } of writers) {
              const bands = bandsOf(of(method), { configuration, protocol, model, method, split, number, channels });
              arrays[split].data.set(bands, number * bands.length);
            }
            if (split === 'test') for (const count of counts) countUnranked(count, heatMap(of(count.method), channels));
          });
        }
      }
      for (const { method, protocol, arrays } of writers)
        await run.write(bandsFile(model, method, protocol), writeNpz(arrays));
      return counts.map(({ method, pixels, ties, drowned }) => ({
        ...{ model, method, ties: ties / pixels, drowned: drowned / pixels },
      }));
    });
  return run.step(`maps-${model}`, compute, { files });
}

function countUnranked(count: { pixels: number; ties: number; drowned: number }, map: Float64Array): void {
  count.pixels += map.length;
  for (const value of map) {
    if (value === 0) count.ties += 1;
    else if (value < TIE_NOISE) count.drowned += 1;
  }
}

interface OneImage {
  readonly configuration: RoarConfiguration;
  readonly protocol: RoarProtocol;
  readonly model: string;
  readonly method: RoarMethod;
  readonly split: RoarSplit;
  readonly number: number;
  readonly channels: number;
}

/** Published: noise against ties, and thresholds. Repaired: ranks, equal values in an order that is the same for all models. */
function bandsOf(
  attribution: Float32Array,
  { configuration, protocol, model, method, split, number, channels }: OneImage,
): Uint8Array {
  const { seed, percentiles, ranked } = configuration;
  if (protocol === 'published') {
    const noise = createRandom(seed, 'tie noise', model, method, split, number);
    return bandsByThreshold(addTieNoise(heatMap(attribution, channels), noise), percentiles);
  }
  return bandsByRank(heatMap(attribution, channels, ranked), percentiles, createRandom(seed, 'ties', split, number));
}

/** A random order of the pixels of every image, the same for all models, percentiles and seeds. */
export async function writeRandomBands(context: RoarContext): Promise<void> {
  const { run, configuration, sets } = context;
  const { seed, percentiles } = configuration;
  const file = bandsFile('random', 'random', 'repaired');
  const compute = async () => {
    const arrays = emptyBands(context, 'repaired');
    for (const split of SPLITS) {
      const { data, shape } = arrays[split];
      const size = data.length / shape[0]!;
      const level = new Float64Array(size);
      for (let number = 0; number < sets[split].count; number++)
        data.set(bandsByRank(level, percentiles, createRandom(seed, 'random ranking', split, number)), number * size);
    }
    await run.write(file, writeNpz(arrays));
    return {};
  };
  await run.step('maps-random', compute, { files: [file] });
}

/** Bands of both splits, [images, H · W], or [images, C · H · W] where channels have ranks of their own. */
function emptyBands(
  { sets, configuration }: RoarContext,
  protocol: RoarProtocol,
): Record<RoarSplit, { shape: number[]; data: Uint8Array }> {
  const [channels, height, width] = sets.train.imageShape;
  const whole = protocol === 'published' || configuration.ranked === 'pixel';
  const size = (whole ? 1 : channels) * height * width;
  const empty = ({ count }: Dataset) => ({ shape: [count, size], data: new Uint8Array(count * size) });
  return { train: empty(sets.train), test: empty(sets.test) };
}

/**
 * The bands that `writeBands` or `writeRandomBands` wrote.
 *
 * @throws DataError when the file is damaged
 */
export async function readBands(
  { run, sets }: Pick<RoarContext, 'run' | 'sets'>,
  { model, method, protocol }: { model: string; method: Chooser; protocol: RoarProtocol },
): Promise<Record<RoarSplit, Uint8Array>> {
  const path = run.path(bandsFile(method === 'random' ? 'random' : model, method, protocol));
  const file = await readFile(path);
  const bytes = (arrays: Map<string, NpyArray>, split: RoarSplit): Uint8Array => {
    const { data, shape } = arrays.get(split) ?? {};
    if (data instanceof Uint8Array && shape?.[0] === sets[split].count) return data;
    throw new DataError(`no bands of the ${split} images`);
  };
  try {
    const arrays = parseNpz(file, path);
    return { train: bytes(arrays, 'train'), test: bytes(arrays, 'test') };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`${path} is damaged (${reason}): delete it to compute them again`, { cause: error });
  }
}
