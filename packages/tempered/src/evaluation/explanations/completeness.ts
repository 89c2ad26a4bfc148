import type { MeasureKind } from './measure.ts';

export interface CompletenessMeasure {
  readonly name: 'completeness';
}

/**
 * |Σ attributions − difference| / |difference|, where the difference is what the method promises: that of the output
 * between image and baseline. As the method's own certificate has it: where features share out the output, the sum is over
 * features, not over the pixels that show their numbers. For methods that promise one; others have no score.
 */
export const completeness = (): CompletenessMeasure => ({ name: 'completeness' });

export const completenessKind: MeasureKind<CompletenessMeasure> = {
  summary: 'how far the attributions are from adding up to the output',
  score: async ({ completeness: promised }) => Float64Array.from(promised!, ({ relativeError }) => relativeError),
  better: () => 'lower',
  // A mean would hang on the few images whose output hardly differs from the baseline's.
  over: 'median',
  needs: ['completeness'],
  acrossModels: () => true,
  control: () => 'completeness',
  protocol: () =>
    'median over images of |Σ attributions − (f(x) − f(baseline))| / |f(x) − f(baseline)|, Σ over features where a method shares out the output among them, for methods that promise it to be 0',
};
