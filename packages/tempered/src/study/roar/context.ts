import type { Dataset } from '../../data/dataset.ts';
import type { Work } from '../../progress.ts';
import type { Run } from '../../runs/run.ts';
import type { RoarConfiguration } from './configuration.ts';

/** What every part of the study works with. */
export interface RoarContext extends Work {
  readonly run: Run;
  readonly configuration: RoarConfiguration;
  readonly sets: { readonly train: Dataset; readonly test: Dataset };
}
