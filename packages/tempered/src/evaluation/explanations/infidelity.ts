/** @file Infidelity: how well a map foretells what perturbations do to the output. Yeh et al. 2019. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { checkCount } from '../../attribution/check-count.ts';
import { explained } from '../../attribution/explained.ts';
import { UsageError } from '../../errors.ts';
import { oneHot } from '../../models/batching.ts';
import { createRandom } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import type { MeasureKind, MeasureTask } from './measure.ts';
import type { Watched } from './replacement.ts';
import { runVariants } from './variants.ts';

/** Squares set to black, or normal noise taken off every value. */
export type Perturbation = 'square' | 'gaussian';

/** Maps as they are; multiplied by the number that serves them best; by the best that is not negative. */
export type Scaling = 'none' | 'optimal' | 'positive';

export const SCALINGS = ['none', 'optimal', 'positive'] as const satisfies readonly Scaling[];

export interface Infidelity {
  readonly name: 'infidelity';
  readonly perturbation: Perturbation;
  readonly samples: number;
  readonly sigma: number;
  readonly scaling: Scaling;
  readonly relative: boolean;
  readonly of: Watched;
}

export interface InfidelityOptions {
  /** Default `square`. */
  perturbation?: Perturbation;
  /** Perturbations of each image. Default 100. */
  samples?: number;
  /** Standard deviation of Gaussian perturbations. Default 0.2. */
  sigma?: number;
  /**
   * Default `positive`. The authors compare maps under `optimal` scaling, which takes a map for as good as its negative;
   * maps of different units can only be compared when they are scaled.
   */
  scaling?: Scaling;
  /** Divides by the mean square of what the perturbations do, so that models can be compared: 1 is the score of a map of zeros. Default true. */
  relative?: boolean;
  /** Default: logit. */
  of?: Watched;
}

/**
 * E[(Iᵀ Φ − (f(x) − f(x − I)))²] over random perturbations I (Yeh et al. 2019, definition 2.1), on slopes Φ; low for a good
 * map. Shares of the output, such as integrated gradients, are divided by the input first, as the authors do. Squares lie
 * anywhere inside the image, sides from 1 pixel to 10/28 of the shorter side, and turn black: I = x there. Shares are taken
 * as those of the way from black, whatever baseline a method has; that of a feature belongs to its pixels in equal parts.
 */
export function infidelity({
  perturbation = 'square',
  samples = 100,
  sigma = 0.2,
  scaling = 'positive',
  relative = true,
  of = 'logit',
}: InfidelityOptions = {}): Infidelity {
  checkCount('samples', samples);
  if (!(sigma > 0)) throw new UsageError(`sigma must be above 0, not ${sigma}`);
  return { name: 'infidelity', perturbation, samples, sigma, scaling, relative, of };
}

/** Random perturbations: what is drawn for each, and how it is made of that in the graph. */
export interface Perturbing {
  /** Names the program: equal keys mean equal graphs. */
  readonly key: string;
  readonly shape: readonly number[];
  draw(into: Float32Array, image: number, sample: number): void;
  /** I, and I over the way from the baseline to the image, by which shares of the output are to be multiplied. */
  write(g: GraphBuilder, drawn: Value, x: Value): { change: Value; share: Value };
}

/** For each image and sample, what the map foretells, Iᵀ Φ, and what happens, f(x) − f(x − I); both [N, samples]. */
export async function foretold(
  task: Pick<
    MeasureTask,
    'classifier' | 'images' | 'targets' | 'attributions' | 'scale' | 'batchSize' | 'signal' | 'onProgress'
  >,
  { samples, of }: Pick<Infidelity, 'samples' | 'of'>,
  { key, shape, draw, write }: Perturbing,
): Promise<{ foretold: Tensor; happened: Tensor }> {
  const { images, targets, attributions, scale, classifier } = task;
  const target = oneHot(targets, classifier.classes.length);
  const { onProgress: _, ...quiet } = task;
  const { value } = await runVariants(quiet, {
    key: `value of ${of}`,
    stage: 'infidelity',
    count: 1,
    ofImages: { x: images, target },
    write: ({ g, model }, { x, target }) => ({ value: explained(g, model(x!), target!, of) }),
  });
  const results = await runVariants(task, {
    key: `infidelity of ${of}, ${scale}, ${attributions.shape.slice(1).join('x')}, ${key}`,
    stage: 'infidelity',
    count: samples,
    ofImages: { x: images, map: attributions, target },
    ofVariants: { drawn: { shape, write: draw } },
    write: ({ g, model }, { x, map, target, drawn }) => {
      const { change, share } = write(g, drawn!, x!);
      const factor = scale === 'local' ? change : forMap(g, share, map!);
      const product = g.mul(map!, factor);
      return {
        foretold: g.reduceSum(product, product.shape.map((_, axis) => axis).slice(1)),
        after: explained(g, model(g.sub(x!, change)), target!, of),
      };
    },
  });
  const shaped = (data: Float32Array) => ({ shape: [images.shape[0]!, samples], data });
  return {
    foretold: shaped(results.foretold!.data),
    happened: shaped(results.after!.data.map((after, row) => value!.data[Math.floor(row / samples)]! - after)),
  };
}

/** The share of a feature, in equal parts to its elements. */
const perElement = ({ attributions: { shape, data }, featureSizes }: MeasureTask): Tensor => ({
  shape,
  data: featureSizes ? data.map((value, i) => value / featureSizes.data[i]!) : data,
});

/** A map without channels holds the share of the whole pixel, which changes by the mean over its channels. */
const forMap = (g: GraphBuilder, share: Value, map: Value): Value =>
  share.shape[1]! > map.shape[1]! ? g.reduceMean(share, [1], true) : share;

/** The mean squared error of what is foretold, [N]; NaN where the perturbations do nothing and the figure is relative. */
export function infidelities(
  { foretold, happened }: { foretold: Tensor; happened: Tensor },
  { scaling, relative }: Pick<Infidelity, 'scaling' | 'relative'>,
): Float64Array {
  const [count = 0, samples = 1] = foretold.shape;
  return Float64Array.from({ length: count }, (_, n) => {
    const [a, b] = [foretold, happened].map(({ data }) => data.subarray(n * samples, (n + 1) * samples)) as [
      Float32Array,
      Float32Array,
    ];
    const sum = (of: (k: number) => number) => a.reduce((total, _, k) => total + of(k), 0);
    const squares = sum((k) => a[k]! ** 2);
    const best = squares === 0 ? 0 : sum((k) => a[k]! * b[k]!) / squares;
    const factor = scaling === 'none' ? 1 : scaling === 'optimal' ? best : Math.max(0, best);
    const error = sum((k) => (factor * a[k]! - b[k]!) ** 2);
    return error / (relative ? sum((k) => b[k]! ** 2) : samples);
  });
}

const LARGEST_SQUARE = 10 / 28;

function perturbing({ images, seed, imageNumbers }: MeasureTask, { perturbation, sigma }: Infidelity): Perturbing {
  const [channels = 1, height = 1, width = 1] = images.shape.slice(1);
  const stream = (image: number, sample: number) => createRandom(seed, 'infidelity', imageNumbers[image]!, sample);
  if (perturbation === 'gaussian')
    return {
      key: 'noise',
      shape: [channels, height, width],
      draw: (into, image, sample) => stream(image, sample).fillNormal(into, 0, sigma),
      write: (g, drawn, x) => {
        const isZero = g.equal(x, g.constant(0));
        const share = g.where(isZero, g.constant(0), g.div(drawn, g.where(isZero, g.constant(1), x)));
        return { change: drawn, share };
      },
    };
  const largest = Math.max(1, Math.round(LARGEST_SQUARE * Math.min(height, width)));
  return {
    key: 'squares',
    shape: [4],
    draw: (into, image, sample) => {
      const random = stream(image, sample);
      const side = 1 + random.integer(largest);
      const [top, start] = [random.integer(height - side + 1), random.integer(width - side + 1)];
      into.set([top, top + side, start, start + side]);
    },
    write: (g, drawn, x) => {
      const inside = insideWindow(g, drawn, height, width);
      return { change: g.where(inside, x, g.constant(0)), share: g.cast(inside, 'float32') };
    },
  };
}

/** Whether each pixel lies in the window of its image; [batch, 1, height, width]. `drawn` is top, bottom, left, right. */
function insideWindow(g: GraphBuilder, drawn: Value, height: number, width: number): Value {
  const batch = drawn.shape[0]!;
  const line = (length: number, shape: readonly number[]) =>
    g.constant(
      Array.from({ length }, (_, i) => i),
      [1, 1, ...shape],
    );
  const bound = (k: number) => g.reshape(g.slice(drawn, { starts: [k], ends: [k + 1], axes: [1] }), [batch, 1, 1, 1]);
  const between = (at: Value, from: number) => g.and(g.greaterOrEqual(at, bound(from)), g.less(at, bound(from + 1)));
  return g.and(between(line(height, [height, 1]), 0), between(line(width, [1, width]), 2));
}

const SCALING_IN_WORDS: Readonly<Record<Scaling, string>> = {
  none: 'maps as they are',
  optimal: 'each map multiplied by the best number',
  positive: 'each map multiplied by the best number that is not negative',
};

export const infidelityKind: MeasureKind<Infidelity> = {
  summary: 'how far what a map foretells of perturbations is from what they do',
  score: async (task, measure) => {
    const each = { ...task, attributions: perElement(task) };
    return infidelities(await foretold(each, measure, perturbing(task, measure)), measure);
  },
  better: () => 'lower',
  over: 'mean',
  needs: [],
  acrossModels: ({ relative }) => relative,
  // A mask says nothing of the direction in which noise pushes.
  control: ({ perturbation }) => (perturbation === 'square' ? 'shares' : 'slope'),
  protocol: ({ perturbation, samples, sigma, scaling, relative, of }) =>
    `E[(Iᵀ Φ − (f(x) − f(x − I)))²]${relative ? ' / E[(f(x) − f(x − I))²]' : ''} over ${samples} ${perturbation === 'square' ? 'squares turned black, sides up to 10/28 of the image' : `draws of normal noise, σ ${sigma}`}; f is the ${of} of the class, ${SCALING_IN_WORDS[scaling]}; shares of the output are taken as those of the way from black, whatever the method's baseline, and that of a feature belongs to its pixels in equal parts (Yeh et al. 2019)`,
};
