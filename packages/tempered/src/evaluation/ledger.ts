/** @file What becomes of every single image of a data set under attack. */
import { type Attack, isMinimal, perturb } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { formatEpsilon } from '../epsilon.ts';
import type { Classifier } from '../models/classifier.ts';
import { argmaxRows, predictLogits, ranksOf } from '../models/predict.ts';
import { checkEpsilon } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import { inBlocks } from './blocks.ts';
import { checkSameClassNumbers, fitDataset } from './fit.ts';
import { threatModelOf } from './threat-model.ts';

export interface LedgerOptions extends Work {
  dataset: Dataset;
  /** Under the names that they are to have in the ledger; all of one threat model. */
  attacks: Readonly<Record<string, Attack>>;
  /** Radii in pixel units. */
  epsilons: readonly number[];
  seed?: number;
  batchSize?: number;
  /** Searches on this model instead: a transfer attack. */
  surrogate?: Classifier;
  /** Goes through the radii from the smallest to the largest, and leaves out those after one for which this holds. */
  until?: (result: LedgerAtEpsilon) => boolean;
  /** Keeps the result of a piece of work under a name, or gives back what it kept there before: how evaluations resume. */
  remember?: <T>(name: string, compute: () => Promise<T>) => Promise<T>;
  /** Called with the attacked images, some at a time. */
  onAttacked?: (part: AttackedPart) => void | Promise<void>;
}

export interface AttackedPart {
  readonly attack: string;
  readonly epsilon: number;
  /** Numbers of the images in the data set. */
  readonly imageNumbers: Uint32Array;
  readonly images: Tensor;
  readonly adversarial: Tensor;
  readonly success: Uint8Array;
}

/** Entry i of every list belongs to image i of the data set. JSON-serialisable. */
export interface Ledger {
  /** True classes, as the classifier counts them. */
  readonly labels: readonly number[];
  readonly natural: Judged;
  readonly underAttack: readonly LedgerAtEpsilon[];
}

export interface Judged {
  readonly predictions: readonly number[];
  /** How many classes score above the true one. */
  readonly rank: readonly number[];
}

/** Images that are wrong without attack are not attacked: they keep their prediction, at distance 0. */
export interface AttackedImages extends Judged {
  /** Length of each perturbation under the threat model's norm; l2 where it has none. */
  readonly distance: readonly number[];
  /** 1 where an image that was right is wrong under attack and stays so with its pixels rounded to 8 bits. */
  readonly survivesRounding: readonly number[];
  /** Attacked images whose gradient was exactly 0 where the attack started; see `Found`. */
  readonly zeroGradients: number;
  /** Spent over all images. */
  readonly forwards: number;
  readonly gradients: number;
  readonly seconds: number;
}

export interface LedgerAtEpsilon extends AttackedImages {
  /** In pixel units. */
  readonly epsilon: number;
  /** What each attack found; the lists beside it hold, for each image, the worst of them. */
  readonly byAttack: Readonly<Record<string, AttackedImages>>;
}

/**
 * Attacks every image that is classified right, at each ε, with each attack. The worst case is taken image by image: an
 * image counts as robust where no attack breaks it. Images that are wrong already are left as they are: the unperturbed
 * image lies in every ball.
 *
 * @throws UsageError for a negative ε, no attack, attacks of several threat models, a data set that does not fit, or a
 *   surrogate that numbers the classes otherwise
 * @example
 * const ledger = await attackEach(classifier, { dataset, attacks: { pgd: pgd(), square: square() }, epsilons: [8 / 255] });
 */
export async function attackEach(
  classifier: Classifier,
  options: LedgerOptions & { onEpsilon?: (result: LedgerAtEpsilon, ledger: Ledger) => void },
): Promise<Ledger> {
  const { batchSize, signal, until, onEpsilon, remember = (_, compute) => compute() } = options;
  const epsilons = until ? options.epsilons.toSorted((a, b) => a - b) : options.epsilons;
  for (const epsilon of epsilons) checkEpsilon(epsilon);
  const attacks = Object.entries(options.attacks);
  threatModelOf(options.attacks);
  if (options.surrogate) checkSameClassNumbers([classifier, options.surrogate], options.dataset);
  const dataset = fitDataset(classifier.description, options.dataset);
  const { labels, ...natural } = await remember('natural', () => judgeEach(classifier, dataset, { signal, batchSize }));
  const context = { ...options, dataset, labels, natural };
  const smallest: Record<string, Promise<AttackedImages[]>> = {};
  const underAttack: LedgerAtEpsilon[] = [];
  const total = epsilons.length * attacks.length;
  for (const [index, epsilon] of epsilons.entries()) {
    const byAttack: Record<string, AttackedImages> = {};
    for (const [k, [name, attack]] of attacks.entries()) {
      const share = { ...context, onProgress: progressOf(options, name, epsilon, index * attacks.length + k, total) };
      if (epsilon === 0) byAttack[name] = untouched(natural);
      else if (isMinimal(attack)) {
        const positive = epsilons.filter((radius) => radius > 0);
        smallest[name] ??= remember(`attack ${name}`, () => attackAt(classifier, name, share, positive));
        byAttack[name] = (await smallest[name])[positive.indexOf(epsilon)]!;
      } else {
        const find = () => attackAt(classifier, name, share, [epsilon]);
        byAttack[name] = (await remember(`attack ${name} at ${epsilon}`, find))[0]!;
      }
    }
    const result = { epsilon, byAttack, ...worstOf(Object.values(byAttack), labels) };
    underAttack.push(result);
    onEpsilon?.(result, { labels, natural, underAttack });
    if (until?.(result)) break;
  }
  return { labels, natural, underAttack };
}

const untouched = (natural: Judged): AttackedImages => ({
  ...natural,
  distance: natural.rank.map(() => 0),
  survivesRounding: natural.rank.map(() => 0),
  zeroGradients: 0,
  forwards: 0,
  gradients: 0,
  seconds: 0,
});

/** One attack on every image that is right, at some ε. */
async function attackAt(
  classifier: Classifier,
  name: string,
  options: LedgerOptions & { labels: readonly number[]; natural: Judged },
  epsilons: readonly number[],
): Promise<AttackedImages[]> {
  const { dataset, attacks, labels, natural, seed, batchSize, surrogate, signal, onProgress, onAttacked } = options;
  const started = performance.now();
  const right = Uint32Array.from(labels.keys()).filter((i) => natural.rank[i] === 0);
  const results = epsilons.map(() => {
    const { predictions, rank, distance, survivesRounding } = untouched(natural);
    const lists = { predictions: [...predictions], rank: [...rank] };
    return { ...lists, distance: [...distance], survivesRounding: [...survivesRounding] };
  });
  const spent = epsilons.map(() => ({ zeroGradients: 0, forwards: 0, gradients: 0 }));
  for (const { imageNumbers, before, total, ...part } of inBlocks(classifier, { dataset, batchSize, numbers: right })) {
    const found = await perturb(classifier, attacks[name]!, {
      ...part,
      imageNumbers,
      epsilons,
      seed,
      batchSize,
      surrogate,
      signal,
      onProgress:
        onProgress &&
        ((progress) =>
          onProgress({
            ...progress,
            done: before + Math.floor((imageNumbers.length * progress.done) / progress.total),
            total,
          })),
    });
    for (const [at, perturbed] of found.entries()) {
      for (const [k, i] of imageNumbers.entries())
        for (const list of ['predictions', 'rank', 'distance', 'survivesRounding'] as const)
          results[at]![list][i] = perturbed[list][k]!;
      for (const cost of ['zeroGradients', 'forwards', 'gradients'] as const) spent[at]![cost] += perturbed[cost];
      await onAttacked?.({ ...part, ...perturbed, attack: name, epsilon: epsilons[at]!, imageNumbers });
    }
  }
  const seconds = (performance.now() - started) / 1000;
  return results.map((lists, at) => ({ ...lists, ...spent[at]!, seconds }));
}

/** Image by image what the strongest attack leaves: one that breaks it, by the shortest way; if none does, the first. */
function worstOf(found: readonly AttackedImages[], labels: readonly number[]): AttackedImages {
  const worst = labels.map((_, i) =>
    found.reduce((best, each) => {
      const [broken, before] = [each.rank[i]! > 0, best.rank[i]! > 0];
      return broken && (!before || each.distance[i]! < best.distance[i]!) ? each : best;
    }),
  );
  const total = (of: (each: AttackedImages) => number) => found.reduce((sum, each) => sum + of(each), 0);
  return {
    predictions: worst.map(({ predictions }, i) => predictions[i]!),
    rank: worst.map(({ rank }, i) => rank[i]!),
    distance: worst.map(({ distance }, i) => distance[i]!),
    survivesRounding: labels.map((_, i) => Number(found.some((each) => each.survivesRounding[i] === 1))),
    zeroGradients: Math.max(...found.map(({ zeroGradients }) => zeroGradients)),
    forwards: total(({ forwards }) => forwards),
    gradients: total(({ gradients }) => gradients),
    seconds: total(({ seconds }) => seconds),
  };
}

/**
 * The worst case over the attacks of several ledgers of the same images, at the radii that all of them have. Attacks
 * keep their names, which must differ.
 */
export function mergeLedgers([first, ...others]: readonly [Ledger, ...Ledger[]]): Ledger {
  const underAttack = first.underAttack.flatMap((at): LedgerAtEpsilon[] => {
    const beside = others.map((ledger) => ledger.underAttack.find(({ epsilon }) => epsilon === at.epsilon));
    if (beside.includes(undefined)) return [];
    const byAttack = Object.assign({}, at.byAttack, ...beside.map((found) => found?.byAttack));
    return [{ epsilon: at.epsilon, byAttack, ...worstOf(Object.values(byAttack), first.labels) }];
  });
  return { ...first, underAttack };
}

function progressOf(
  { onProgress }: Work,
  name: string,
  epsilon: number,
  index: number,
  pieces: number,
): Work['onProgress'] {
  if (onProgress === undefined) return undefined;
  const stage = `${name} at ${formatEpsilon(epsilon)}`;
  return ({ done, total, ...progress }) =>
    onProgress({ ...progress, stage, done: index * total + done, total: pieces * total });
}

/** Labels and predictions of a whole data set that fits the classifier. */
export async function judgeEach(
  classifier: Classifier,
  dataset: Dataset,
  { signal, onProgress, batchSize }: Work & { batchSize?: number },
): Promise<Judged & { labels: number[] }> {
  const labels: number[] = [];
  const predictions: number[] = [];
  const rank: number[] = [];
  for (const { imageNumbers, before, total, ...part } of inBlocks(classifier, { dataset, batchSize })) {
    const logits = await predictLogits(classifier, part.images, {
      imageNumbers,
      signal,
      batchSize,
      onProgress: onProgress && ((progress) => onProgress({ ...progress, done: before + progress.done, total })),
    });
    labels.push(...part.labels);
    predictions.push(...argmaxRows(logits));
    rank.push(...ranksOf(logits, part.labels));
  }
  return { labels, predictions, rank };
}

/**
 * One line an image, ε and attack:
 * `image,label,natural,epsilon,attack,prediction,distance,survives_rounding`. Images and classes are numbered from 0.
 */
export function ledgerCsv({ labels, natural, underAttack }: Ledger): string {
  const lines = underAttack.flatMap(({ epsilon, byAttack }) =>
    Object.entries(byAttack).flatMap(([name, { predictions, distance, survivesRounding }]) =>
      labels.map((label, i) =>
        [i, label, natural.predictions[i], epsilon, name, predictions[i], distance[i], survivesRounding[i]].join(),
      ),
    ),
  );
  const heading = 'image,label,natural,epsilon,attack,prediction,distance,survives_rounding';
  return `${[heading, ...lines].join('\n')}\n`;
}
