import type { Numbering } from './figure.ts';
import type { StudyResult } from './study-result.ts';

/** What every section of a report is written from. */
export interface ReportContext {
  readonly result: StudyResult;
  readonly numbering: Numbering;
  /** Draws the plots. */
  readonly document: Document;
}
