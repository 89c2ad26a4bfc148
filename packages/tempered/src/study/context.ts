import type { Work } from '../progress.ts';
import type { Run } from '../runs/run.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StudyConfiguration } from './configuration.ts';

/** What every part of a study works with. */
export interface StudyContext extends Work {
  readonly run: Run;
  readonly runtime: Runtime;
  readonly configuration: StudyConfiguration;
}
