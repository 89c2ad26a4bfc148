/** @file C21: whether someone else could repeat the evaluation. */
import type { Attack } from '../../attacks/attack.ts';
import type { Ledger } from '../ledger.ts';
import { check, type HonestyCheck, listed } from './check.ts';

export interface EvaluationRecord {
  readonly seed?: number;
  /** SHA-256 of the model file, with the files beside it that hold its weights. */
  readonly modelHash?: string;
  /** "onnxruntime-node 1.30.0, CPU, 2 threads". */
  readonly runtime?: string;
  /** SHA-256 of the data. */
  readonly dataHash?: string;
}

/** What the checks themselves spent. */
export interface Budget {
  readonly images: number;
  readonly forwards: number;
  readonly gradients: number;
}

export function completeRecord(
  attacks: Readonly<Record<string, Attack>>,
  { underAttack }: Ledger,
  record: EvaluationRecord,
  budget: Budget,
): HonestyCheck {
  const missing = [
    record.seed === undefined && 'the seed',
    record.modelHash === undefined && 'the hash of the model',
    record.runtime === undefined && 'the runtime',
    ...Object.entries(attacks).map(([name, attack]) => !isPlain(attack) && `the settings of '${name}'`),
  ].filter((what) => what !== false);
  const spent = underAttack.reduce(
    (sum, { forwards, gradients }) => ({ forwards: sum.forwards + forwards, gradients: sum.gradients + gradients }),
    { forwards: 0, gradients: 0 },
  );
  const evidence = `attacks spent ${spent.forwards} forward passes and ${spent.gradients} gradients; these checks ${budget.forwards} and ${budget.gradients} on ${budget.images} images`;
  const data = { ...record, attacks, spent, budget };
  if (missing.length === 0)
    return check('C21', 'pass', `settings, seed, model hash and runtime are recorded; ${evidence}`, { data });
  return check('C21', 'warn', `not recorded: ${listed(missing)}; ${evidence}`, {
    advice: 'put what is missing beside the figures: results differ by seed and settings',
    data,
  });
}

/** Whether JSON holds all that a description says. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isPlain);
  return value === null || ['string', 'boolean', 'undefined'].includes(typeof value);
}
