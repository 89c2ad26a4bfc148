/** @file Which epoch's model is kept. */
import type { EpochRecord } from './checkpoint.ts';

/** By accuracy on the validation images: natural, robust, or the mean of both; or the last epoch, whatever it measures. */
export type Selection = 'natural' | 'robust' | 'mean' | 'last';

type Measured = Pick<EpochRecord, 'naturalAccuracy' | 'robustAccuracy' | 'trainingRobustAccuracy'>;

/**
 * What an epoch scores; the highest is kept, and of equal ones the later. Without validation, a training of one attack
 * step, whose robustness may collapse, goes by what it has on the images it trains on; any other ends with its last epoch.
 */
export function selectionScore(
  { naturalAccuracy = 0, trainingRobustAccuracy = 0, robustAccuracy = trainingRobustAccuracy }: Measured,
  selection: Selection,
): number {
  switch (selection) {
    case 'natural':
      return naturalAccuracy;
    case 'robust':
      return robustAccuracy;
    case 'mean':
      return (naturalAccuracy + robustAccuracy) / 2;
    case 'last':
      return 0;
  }
}
