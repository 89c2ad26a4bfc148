/**
 * @file Whether a measure can tell good maps from bad ones: on pictures whose truth is known, planted true maps must score
 * better than random ones, and those better than maps that are wrong on purpose.
 */
import { attribute } from '../../attribution/attribute.ts';
import { completenessOf } from '../../attribution/explanation.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import { integratedGradients } from '../../attribution/integrated-gradients.ts';
import type { Dataset } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { defaultBatchSize } from '../../models/batching.ts';
import type { Classifier } from '../../models/classifier.ts';
import type { Work } from '../../progress.ts';
import { createRandom } from '../../random.ts';
import { rows, sizeOf, type Tensor, zeros } from '../../tensor.ts';
import { allOf } from '../accuracy.ts';
import { type Estimate, estimate } from './estimate.ts';
import { type Lead, leadOver } from './lead.ts';
import type { ControlKind, MeasureTask } from './measure.ts';
import { type ExplanationMeasure, kindOf } from './measures.ts';

export interface Control {
  /**
   * Whether the first map scored better than the second, and that better than the third. False where one scored worse than
   * the next, or the same on every picture; null where the pictures do not tell.
   */
  readonly fit: boolean | null;
  /** From the best map to the worst. */
  readonly maps: readonly { readonly name: string; readonly score: Estimate }[];
  /** Of the first over the second, and the second over the third. Null where fewer than two pictures have both scores. */
  readonly leads: readonly (Lead | null)[];
  /** Pictures. */
  readonly count: number;
  /** What was found, in a sentence. */
  readonly verdict: string;
}

export interface ControlOptions extends Work {
  /** Pictures that the model classifies right, with masks; see `controlImages`. */
  dataset: Dataset;
  measure: ExplanationMeasure;
  seed?: number;
  batchSize?: number;
}

/**
 * Puts a measure, with its settings, to the test on a model that looks at the object.
 *
 * @param classifier see `trainControlModel`
 * @example
 * const classifier = new Classifier(await trainControlModel(runtime), runtime);
 * const { fit } = await controlMeasure(classifier, { dataset: await controlImages(classifier, 60), measure: deletion() });
 */
export async function controlMeasure(
  classifier: Classifier,
  {
    dataset,
    measure,
    seed = 0,
    batchSize = defaultBatchSize(classifier.description),
    signal,
    onProgress,
  }: ControlOptions,
): Promise<Control> {
  const { images, labels } = allOf(dataset);
  const kind = kindOf(measure);
  const pictures: Pictures = {
    classifier,
    images,
    targets: labels,
    masks: dataset.masks!(Uint32Array.from(labels.keys())),
    seed,
    imageNumbers: Int32Array.from(labels.keys()),
    batchSize,
    signal,
    onProgress: onProgress && ((progress) => onProgress({ ...progress, stage: `control: ${progress.stage}` })),
  };
  const planted = await plants[kind.control(measure)](pictures);
  const values: Float64Array[] = [];
  for (const { name: _, ...maps } of planted) values.push(await kind.score({ ...pictures, ...maps }, measure));
  const better = kind.better(measure);
  const leads = [0, 1].map((k) => leadOver(values[k]!, values[k + 1]!, { better, seed }));
  const maps = planted.map(({ name }, k) => ({ name, score: estimate(values[k]!, kind.over, seed) }));
  const names = planted.map(({ name }) => name);
  return { ...verdictOf(names, leads), maps, leads, count: labels.length };
}

function verdictOf(
  names: readonly string[],
  leads: readonly (Lead | null)[],
): { fit: boolean | null; verdict: string } {
  const pairs = (wanted: (lead: Lead | null) => boolean) =>
    leads.flatMap((lead, k) => (wanted(lead) ? [`${names[k]} from ${names[k + 1]}`] : [])).join(', nor ');
  const failed = pairs((lead) => lead?.told === 'worse' || lead?.told === 'same');
  if (failed !== '') return { fit: false, verdict: `unfit: it does not tell ${failed}` };
  const open = pairs((lead) => lead?.told !== 'better');
  return open === ''
    ? { fit: true, verdict: `fit: ${names.join(' before ')}` }
    : {
        fit: null,
        verdict: `not known: so many pictures do not show that it tells ${open.replaceAll(', nor ', ', and ')}`,
      };
}

/** Differences that are all the same count from 6 pictures on; below 10 hardly any others do. */
const FEWEST = 10;

/** Throws a UsageError for too few pictures to test measures on; 0 asks for no test. */
export function checkControls(count: number): void {
  if (count > 0 && count < FEWEST)
    throw new UsageError(
      `${count} ${count === 1 ? 'picture does' : 'pictures do'} not show whether a measure is fit: take at least ${FEWEST}, or 0 for no control`,
    );
}

type Pictures = Omit<MeasureTask, 'attributions' | 'ranking' | 'scale' | 'masks'> & { readonly masks: Tensor };

/** Maps whose quality is known, from the best to the worst. */
type Plant = Pick<MeasureTask, 'attributions' | 'ranking' | 'scale' | 'explain' | 'completeness'> & { name: string };

const GIVEN = { ranking: 'magnitude', scale: 'global' } as const;
const SLOPES = { ranking: 'magnitude', scale: 'local' } as const;

const plants: Readonly<Record<ControlKind, (pictures: Pictures) => Promise<readonly Plant[]>>> = {
  async object(pictures) {
    const { masks } = pictures;
    return [
      { ...GIVEN, name: 'the true mask', attributions: masks },
      { ...GIVEN, name: 'a random map', attributions: drawn(pictures, masks.shape, 'uniform') },
      { ...GIVEN, name: 'the inverse mask', attributions: mapped(masks, (value) => 1 - value) },
    ];
  },
  // The same, in the unit of the output.
  async shares(pictures) {
    const [output, atBlack] = [await outputs(pictures), await outputs(pictures, zeros(pictures.images.shape))];
    const differences = output.map((value, n) => value - atBlack[n]!);
    return (await plants.object(pictures)).map((plant) => {
      const sums = rowSums(plant.attributions, (value) => value);
      return { ...plant, attributions: scaledRows(plant.attributions, (n) => differences[n]! / sums[n]!) };
    });
  },
  async slope(pictures) {
    const { attributions } = await attribute(pictures.classifier, { ...asked(pictures), method: plainGradient() });
    const random = drawn(pictures, attributions.shape, 'normal');
    const [wanted, found] = [attributions, random].map((maps) => rowSums(maps, (value) => value ** 2));
    const asSteep = scaledRows(random, (n) => Math.sqrt(wanted![n]! / found![n]!));
    return [
      { ...SLOPES, name: 'the gradient', attributions },
      { ...SLOPES, name: 'a random map', attributions: asSteep },
      { ...SLOPES, name: 'the gradient reversed', attributions: mapped(attributions, (value) => -value) },
    ];
  },
  async concentration(pictures) {
    const { shape } = pictures.masks;
    const area = sizeOf(shape.slice(1));
    const single = zeros(shape);
    for (let n = 0; n < shape[0]!; n++)
      single.data[n * area + createRandom(pictures.seed, 'pixel', pictures.imageNumbers[n]!).integer(area)] = 1;
    return [
      { ...GIVEN, name: 'a map of one pixel', attributions: single },
      { ...GIVEN, name: 'a random map', attributions: drawn(pictures, shape, 'uniform') },
      { ...GIVEN, name: 'a map of one value', attributions: mapped(single, () => 1) },
    ];
  },
  async completeness(pictures) {
    const { attributions, certificate } = await attribute(pictures.classifier, {
      ...asked(pictures),
      method: integratedGradients(),
    });
    const differences = certificate!.completeness!.map(({ difference }) => difference);
    // A sum of as many normal numbers is as large as the difference.
    const random = scaledRows(
      drawn(pictures, attributions.shape, 'normal'),
      (n) => Math.abs(differences[n]!) / Math.sqrt(sizeOf(attributions.shape.slice(1))),
    );
    return [
      { name: 'integrated gradients', maps: attributions },
      { name: 'a random map of such a sum', maps: random },
      { name: 'their negative', maps: mapped(attributions, (value) => -value) },
    ].map(({ name, maps }) => ({
      ...{ ...GIVEN, name, attributions: maps },
      completeness: completenessOf(maps, differences),
    }));
  },
  async stability(pictures) {
    const explain = async (images: Tensor) =>
      (await attribute(pictures.classifier, { ...asked(pictures), images, method: plainGradient() })).attributions;
    const { masks } = pictures;
    let calls = 0;
    return [
      { ...GIVEN, name: 'a map that never changes', attributions: masks, explain: async () => masks },
      { ...SLOPES, name: 'the gradient', attributions: await explain(pictures.images), explain },
      {
        ...GIVEN,
        name: 'a new random map each time',
        attributions: drawn(pictures, masks.shape, 'normal'),
        explain: async () => drawn(pictures, masks.shape, 'normal', ++calls),
      },
    ];
  },
  // The other way round: here a map should change.
  async dependence(pictures) {
    const explain = async (images: Tensor, on?: Classifier) =>
      (await attribute(on ?? pictures.classifier, { ...asked(pictures), images, method: plainGradient() }))
        .attributions;
    const [still, , restless] = await plants.stability(pictures);
    return [
      restless!,
      { ...SLOPES, name: 'the gradient', attributions: await explain(pictures.images), explain },
      still!,
    ];
  },
  async image(pictures) {
    const { images } = pictures;
    return [
      { ...SLOPES, name: 'the image', attributions: images },
      { ...SLOPES, name: 'a random map', attributions: drawn(pictures, images.shape, 'normal') },
      { ...SLOPES, name: 'the image reversed', attributions: mapped(images, (value) => -value) },
    ];
  },
};

const asked = ({ images, targets, seed, imageNumbers, batchSize, signal }: Pictures) => ({
  images,
  target: targets,
  seed,
  imageNumbers,
  batchSize,
  signal,
});

const mapped = ({ shape, data }: Tensor, f: (value: number) => number): Tensor => ({ shape, data: data.map(f) });

function drawn(
  { seed, imageNumbers }: Pictures,
  shape: readonly number[],
  how: 'uniform' | 'normal',
  call = 0,
): Tensor {
  const result = zeros(shape);
  for (let n = 0; n < shape[0]!; n++) {
    const random = createRandom(seed, 'control', imageNumbers[n]!, call);
    const row = rows(result, n, n + 1).data;
    if (how === 'uniform') random.fillUniform(row, 0, 1);
    else random.fillNormal(row, 0, 1);
  }
  return result;
}

/** What is explained, at the pictures or at others in their place. */
const outputs = async (pictures: Pictures, images = pictures.images): Promise<Float32Array> =>
  (await attribute(pictures.classifier, { ...asked(pictures), images, method: plainGradient() })).output;

const rowSums = (maps: Tensor, of: (value: number) => number): Float64Array =>
  Float64Array.from({ length: maps.shape[0]! }, (_, n) =>
    rows(maps, n, n + 1).data.reduce((sum, value) => sum + of(value), 0),
  );

function scaledRows({ shape, data }: Tensor, factor: (row: number) => number): Tensor {
  const size = sizeOf(shape.slice(1));
  return { shape, data: data.map((value, i) => value * factor(Math.floor(i / size))) };
}
