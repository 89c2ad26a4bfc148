/** @file Which epoch's model is kept. */
import type { EpochRecord } from './checkpoint.ts';

/** By accuracy on the validation images: natural, robust, or the mean of both; or the last epoch, whatever it measures. */
export type Selection = 'natural' | 'robust' | 'mean' | 'last';

/** What an epoch scores; the highest is kept, and of equal ones the later. Without what it asks for, every epoch ties. */
export function selectionScore(
  { naturalAccuracy = 0, robustAccuracy = 0 }: Pick<EpochRecord, 'naturalAccuracy' | 'robustAccuracy'>,
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
