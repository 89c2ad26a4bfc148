/** @file Every check on one evaluation. */
import type { Attack } from '../../attacks/attack.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Classifier } from '../../models/classifier.ts';
import { predictLogits } from '../../models/predict.ts';
import type { Work } from '../../progress.ts';
import type { Tensor } from '../../tensor.ts';
import { fitDataset } from '../fit.ts';
import type { Ledger, LedgerAtEpsilon } from '../ledger.ts';
import { threatModelOf } from '../threat-model.ts';
import { cleanAccuracy, correctIn, enoughImages } from './accuracy.ts';
import { type AttackKind, kindOf } from './attack-kinds.ts';
import { brokenBy, gradientFreeFindNothing, manyStepsBeatOne, strongerBreakMore } from './attack-order.ts';
import { check, type HonestyCheck } from './check.ts';
import { hasConverged, whyNotDoubled } from './convergence.ts';
import { breaksUnbounded, fallingCurve } from './curve.ts';
import { measureRepeats, predictionsRepeat } from './determinism.ts';
import { repairedAttack, steadied } from './evaluate-with-repair.ts';
import type { Sample } from './gradients.ts';
import { adaptiveAttacks, nodesPassGradients, outputsAsExpected } from './graph-checks.ts';
import { lossesAgree } from './losses.ts';
import { type MaskSearch, surrogateFor } from './masks.ts';
import { type Probes, type ProbeTask, probe } from './probes.ts';
import { completeRecord, type EvaluationRecord } from './record.ts';
import { keepsToBounds, returnsWhatItFound } from './returned.ts';
import { measureSaturation } from './saturation.ts';
import { catastrophicOverfitting, robustOverfitting, type TrainingHistory } from './training-checks.ts';
import { gradientsTellTheTruth } from './truthful-gradients.ts';
import { bothGoals, worstOfEachImage } from './worst-case.ts';

export interface HonestyOptions extends Work {
  dataset: Dataset;
  /** The attacks of the evaluation, by their names in the ledger, without the repaired ones. */
  attacks: Readonly<Record<string, Attack>>;
  /** What `evaluateWithRepair` returned; or a ledger and what `findMasks` found. */
  evaluated: { readonly ledger: Ledger; readonly search: MaskSearch };
  /** Attacks that searched on another model, by name. */
  transferred?: readonly string[];
  /** How the model was trained, where that is known. */
  training?: TrainingHistory;
  record?: EvaluationRecord;
  seed?: number;
  batchSize?: number;
  /** Images that are attacked for the checks. Default 50. */
  images?: number;
  /** Forward passes that attacks without gradients may spend. Default: what the evaluation spent, and 20,000 at least. */
  queries?: number;
}

/**
 * Asks of an evaluation whether its figures can be believed: checks 1–17 and 19–22 of those that papers on broken
 * defences ask for (Carlini et al. 2019; Croce & Hein 2020; Pintor et al. 2022). Most are read from the ledger; the rest
 * is measured on the first images that the model gets right, at the ε where about half of them still stand.
 *
 * @throws UsageError when the data do not fit the classifier, or the attacks are of several threat models
 * @example
 * const evaluated = await evaluateWithRepair(classifier, { dataset, attacks, epsilons });
 * const checks = await checkHonesty(classifier, { dataset, attacks, evaluated });
 * const problems = checks.filter(({ verdict }) => verdict === 'fail');
 */
export async function checkHonesty(classifier: Classifier, options: HonestyOptions): Promise<HonestyCheck[]> {
  const { evaluated, attacks, transferred = [], training, record = {}, seed, images: most = 50 } = options;
  const { ledger, search } = evaluated;
  const classes = classifier.classes.length;
  const dataset = fitDataset(classifier.description, options.dataset);
  const right = ledger.labels.flatMap((_, i) => (ledger.natural.rank[i] === 0 ? [i] : []));
  const sampled = right.slice(0, most);
  const at = mostTelling(ledger);
  const { norm } = threatModelOf(attacks);
  const kind = (name: string): AttackKind =>
    transferred.includes(name) ? 'transfer' : kindOf(attacks[name.replace(/, repaired$/, '')] ?? attacks[name]!);
  const attempts = at === undefined ? [] : brokenBy(ledger, at.epsilon, kind);
  const main = strongest(options, attempts);
  const probes =
    at && norm && sampled.length > 0
      ? await probeRepaired(classifier, search, {
          ...options,
          dataset,
          images: sampled,
          standing: right.filter((i) => at.rank[i] === 0),
          norm,
          epsilon: at.epsilon,
          main,
          queries: options.queries ?? Math.max(20_000, at.forwards + 2 * at.gradients),
        })
      : undefined;
  const part = dataset.batch(sampled);
  const sample = { ...part, batchSize: options.batchSize, signal: options.signal };
  const all = [...attempts, ...(probes?.attempts ?? [])];
  return [
    cleanAccuracy(ledger, classes),
    fallingCurve(ledger, classes),
    breaksUnbounded(ledger, classes, norm, probes?.unbounded),
    manyStepsBeatOne(all),
    hasConverged(
      probes?.doubled ?? {
        whyNot: whyNotDoubled(main?.attack, norm, sampled.length) ?? 'nothing was measured above ε = 0',
      },
    ),
    strongerBreakMore(all),
    lossesAgree(search, probes?.losses),
    gradientsTellTheTruth(search),
    ...(await measuredOnSample(classifier, sample, search, correctIn(ledger.natural) / ledger.labels.length)),
    returnsWhatItFound(attacks, probes?.kept),
    bothGoals(attacks, classes),
    worstOfEachImage(ledger),
    keepsToBounds(ledger, norm),
    gradientFreeFindNothing(all),
    enoughImages(ledger),
    catastrophicOverfitting(training),
    robustOverfitting(training),
    completeRecord(
      attacks,
      ledger,
      { seed, runtime: classifier.runtime.description, ...record },
      budgetOf(sampled, probes),
    ),
    adaptiveAttacks(search),
  ];
}

/** The probes see the model as the evaluation did: judged steadily, with its gradients repaired. */
async function probeRepaired(
  classifier: Classifier,
  { masks }: MaskSearch,
  task: Omit<ProbeTask, 'classifier' | 'surrogate'>,
): Promise<Probes> {
  const judge = steadied(classifier);
  const surrogate = surrogateFor(classifier, masks);
  try {
    const guide = surrogate ?? (judge === classifier ? undefined : classifier);
    return await probe({ ...task, classifier: judge, surrogate: guide });
  } finally {
    await surrogate?.release();
    if (judge !== classifier) await judge.release();
  }
}

/** C9, C10 and C11, which look at the model's answers to the sample. */
async function measuredOnSample(
  classifier: Classifier,
  sample: Sample,
  search: MaskSearch,
  naturalAccuracy: number,
): Promise<HonestyCheck[]> {
  const { images } = sample;
  const isEmpty = images.shape[0] === 0;
  const logits = isEmpty ? undefined : await predictLogits(classifier, images, sample);
  const pixels = images.data.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)] as [number, number],
    [1, 0] as [number, number],
  );
  return [
    isEmpty
      ? check('C9', 'not applicable', 'no image is right without attack')
      : predictionsRepeat(await measureRepeats(classifier, sample), search),
    nodesPassGradients(search, isEmpty ? [] : await measureSaturation(classifier, sample, search.inspection.clips)),
    outputsAsExpected(classifier.description, search, {
      looksLikeProbabilities: logits !== undefined && areProbabilities(logits),
      lowestPixel: Math.min(0, pixels[0]),
      highestPixel: isEmpty ? 1 : pixels[1],
      naturalAccuracy,
    }),
  ];
}

/** AutoAttack's rule: within 1e-5 of [0, 1], and rows sum to 1 as nearly. */
function areProbabilities({ shape: [count = 0, classes = 0], data }: Tensor): boolean {
  if (data.some((value) => value < -1e-5 || value > 1 + 1e-5)) return false;
  return Array.from({ length: count }, (_, i) => data.subarray(i * classes, (i + 1) * classes)).every(
    (row) => Math.abs(row.reduce((a, b) => a + b, 0) - 1) <= 1e-5,
  );
}

/** The radius at which the number of images left is nearest to half of those that were right. */
function mostTelling({ natural, underAttack }: Ledger): LedgerAtEpsilon | undefined {
  const half = correctIn(natural) / 2;
  return underAttack
    .filter(({ epsilon }) => epsilon > 0)
    .reduce<LedgerAtEpsilon | undefined>(
      (best, found) =>
        best === undefined || Math.abs(correctIn(found) - half) < Math.abs(correctIn(best) - half) ? found : best,
      undefined,
    );
}

/** The attack with gradients that broke most; as it was repaired, if it was. */
function strongest({ attacks, evaluated }: HonestyOptions, attempts: ReturnType<typeof brokenBy>) {
  const guided = attempts.filter((each) => each.kind === 'iterative');
  if (guided.length === 0) return undefined;
  const best = guided.reduce((a, b) => (b.broken.length > a.broken.length ? b : a));
  const asked = attacks[best.attack.replace(/, repaired$/, '')]!;
  const attack = best.attack in attacks ? asked : repairedAttack(asked, evaluated.search.masks);
  return { name: best.attack, attack, broken: best.broken };
}

const budgetOf = (sampled: readonly number[], probes: Probes | undefined) => ({
  images: sampled.length,
  forwards: probes?.forwards ?? 0,
  gradients: probes?.gradients ?? 0,
});
