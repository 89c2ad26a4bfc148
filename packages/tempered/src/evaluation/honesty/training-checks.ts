/** @file C19 and C20: what a training's own history says. */
import type { EpochRecord } from '../../training/checkpoint.ts';
import type { Finding, FindingName } from '../../training/detection.ts';
import { type CheckId, check, type HonestyCheck, percent } from './check.ts';

/** What `train` returns of its course. */
export interface TrainingHistory {
  readonly history: readonly EpochRecord[];
  readonly findings: readonly Finding[];
  /** Epoch of the model that was kept. */
  readonly bestEpoch: number;
}

export function catastrophicOverfitting(training: TrainingHistory | undefined): HonestyCheck {
  return judged(
    'C19',
    training,
    'trainingRobustAccuracy',
    'catastrophic-overfitting',
    'under PGD, accuracy on training batches',
  );
}

export function robustOverfitting(training: TrainingHistory | undefined): HonestyCheck {
  return judged('C20', training, 'robustAccuracy', 'robust-overfitting', 'robust accuracy on the validation split');
}

function judged(
  id: CheckId,
  training: TrainingHistory | undefined,
  column: 'trainingRobustAccuracy' | 'robustAccuracy',
  name: FindingName,
  what: string,
): HonestyCheck {
  if (training === undefined) return check(id, 'not applicable', 'the training of the model is not known');
  const { history, findings, bestEpoch } = training;
  const measured = history.flatMap(({ epoch, [column]: accuracy }) =>
    accuracy === undefined ? [] : [{ epoch, accuracy }],
  );
  const last = measured.at(-1);
  if (last === undefined) return check(id, 'not applicable', `${what} was not measured during training`);
  const best = measured.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
  const evidence = `${what}: best ${percent(best.accuracy)} in epoch ${best.epoch}, last ${percent(last.accuracy)} in epoch ${last.epoch}`;
  const finding = findings.find((each) => each.name === name);
  if (finding === undefined) return check(id, 'pass', evidence);
  const kept = bestEpoch > 0 && bestEpoch < finding.epoch + (name === 'robust-overfitting' ? 1 : 0);
  return check(id, kept ? 'warn' : 'fail', `${evidence}. ${finding.message}`, {
    advice: kept
      ? `the state of epoch ${bestEpoch} was kept, from before`
      : 'keep the state that is best on a robust validation split',
  });
}
