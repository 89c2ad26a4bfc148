/** @file An evaluation that notices when gradients are masked, attacks round the mask, and says so. */
import type { Attack } from '../../attacks/attack.ts';
import { worstCase } from '../../attacks/worst-case.ts';
import { Classifier } from '../../models/classifier.ts';
import { repaired } from '../../models/repair.ts';
import { fitDataset } from '../fit.ts';
import { attackEach, type Ledger, type LedgerOptions, mergeLedgers } from '../ledger.ts';
import { findMasks, type Mask, type MaskSearch, surrogateFor } from './masks.ts';

export interface RepairedEvaluation {
  /** The worst case over the attacks as asked for and as repaired; the latter are called "pgd, repaired". */
  readonly ledger: Ledger;
  /** As asked for, before any repair. */
  readonly unrepaired: Ledger;
  readonly search: MaskSearch;
  /** What was found and done, a sentence a mask; empty for a model without masks. */
  readonly said: readonly string[];
}

/** Images that masks are looked for on: enough for medians and shares. */
const SAMPLE = 50;

/** Passes whose mean logits judge a random model. */
const JUDGED_DRAWS = 16;

/**
 * Evaluates as `attackEach` does, looks for what masks the gradients, and where something does, attacks once more: the
 * scores before a softmax, with straight-through or smoothed gradients, over the mean of several draws, climbing the
 * margin. Repairs serve to find adversarial images; whether they are is asked of the model itself. Of a random model, the
 * mean logits of 16 passes decide.
 *
 * @throws what `attackEach` throws
 * @example
 * const { ledger, said } = await evaluateWithRepair(classifier, { dataset, attacks: { pgd: pgd() }, epsilons: [0.1] });
 */
export async function evaluateWithRepair(classifier: Classifier, options: LedgerOptions): Promise<RepairedEvaluation> {
  const judge = steadied(classifier);
  try {
    return await evaluateBy(judge, classifier, options);
  } finally {
    if (judge !== classifier) await judge.release();
  }
}

async function evaluateBy(
  judge: Classifier,
  classifier: Classifier,
  options: LedgerOptions,
): Promise<RepairedEvaluation> {
  for (const random of [judge, classifier]) random.seedNoise(options.seed ?? 0);
  const guide = options.surrogate ?? (judge === classifier ? undefined : classifier);
  const unrepaired = await attackEach(judge, { ...options, surrogate: guide });
  const right = unrepaired.labels.flatMap((_, i) => (unrepaired.natural.rank[i] === 0 ? [i] : [])).slice(0, SAMPLE);
  const { images, labels } = fitDataset(classifier.description, options.dataset).batch(right);
  const search = await findMasks(classifier, { images, labels, batchSize: options.batchSize, signal: options.signal });
  const said = search.masks.map((mask) => sentence(mask, options.attacks));
  const helped = search.masks.filter(({ repair }) => repair !== undefined);
  if (helped.length === 0) return { ledger: unrepaired, unrepaired, search, said };
  const { attacks, remember } = options;
  // A transfer attack has the gradients of another model, which the masks of this one do not touch.
  const surrogate = options.surrogate ? undefined : surrogateFor(classifier, helped);
  try {
    const again = await attackEach(judge, {
      ...options,
      attacks: Object.fromEntries(
        Object.entries(attacks).map(([name, attack]) => [`${name}, repaired`, repairedAttack(attack, helped)]),
      ),
      surrogate: surrogate ?? guide,
      remember: remember && ((name, compute) => remember(`repaired: ${name}`, compute)),
    });
    return { ledger: mergeLedgers([unrepaired, again]), unrepaired, search, said };
  } finally {
    await surrogate?.release();
  }
}

/** A random model as its mean over several passes: what it predicts, and what attacks on it have to change. */
export function steadied(classifier: Classifier): Classifier {
  if (!classifier.isRandom) return classifier;
  const average = { draws: JUDGED_DRAWS, deviation: 0 };
  return new Classifier(repaired(classifier.description, { average }), classifier.runtime, classifier.parameters);
}

/**
 * Where the cross-entropy is masked, an attack whose loss it is, as its own setting, is preceded by one that climbs the
 * margin, inside of combinators too. Others (AutoAttack, FAB, the unforeseen attacks) have losses of their own: they
 * remain, and see the scores on a scale where the cross-entropy has a gradient.
 */
export function repairedAttack(attack: Attack, masks: readonly Mask[]): Attack {
  if (!masks.some(({ repair }) => repair?.loss === 'margin')) return attack;
  const text = JSON.stringify(attack);
  const toMargin = (key: string, value: unknown) => (key === 'loss' && value === 'cross-entropy' ? 'margin' : value);
  const changed = JSON.parse(text, toMargin) as Attack;
  return JSON.stringify(changed) === text ? attack : worstCase([changed, attack]);
}

function sentence(mask: Mask, attacks: Readonly<Record<string, Attack>>): string {
  const { kind, what, repair } = mask;
  if (repair === undefined) return `${kind}: ${what}; no repair is known, so that robust accuracy may be overstated`;
  const names = Object.keys(attacks).filter((name) => repairedAttack(attacks[name]!, [mask]) !== attacks[name]);
  const which = repair.loss === 'margin' ? ` (${names.length > 0 ? names.join(', ') : 'none of these attacks'})` : '';
  return `${kind}: ${what}; ${repair.says}${which}`;
}
