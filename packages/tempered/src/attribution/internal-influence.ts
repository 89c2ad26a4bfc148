import { gradient } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { valuesAt } from './at-images.ts';
import type { Baseline } from './baseline.ts';
import { explained, keyOfExplained } from './explained.ts';
import type { Explain } from './explanation.ts';
import { checkDependence } from './layer.ts';
import { overBaselines } from './over-baselines.ts';
import { between, integrate } from './path.ts';
import type { QuadratureRule } from './quadrature.ts';

export interface InternalInfluence {
  readonly name: 'internal-influence';
  readonly rule: QuadratureRule;
  readonly steps: number;
  readonly baseline: Baseline;
}

/**
 * The mean gradient by a layer's values while the image changes along the straight line from the baseline: how much each
 * of them matters around there. Leino et al. 2018, "Influence-directed explanations for deep convolutional networks",
 * definition 1, with the uniform distribution on the line as the distribution of interest. Needs a layer.
 * No sum is promised, so that nothing in the certificate says how exact the mean is: compare with more steps.
 *
 * @example
 * await attribute(classifier, { images, method: internalInfluence(), layer: 'relu3' });
 */
export const internalInfluence = ({
  rule = 'midpoint',
  steps = 50,
  baseline = 'black',
}: {
  /** Default midpoint. */
  rule?: QuadratureRule;
  /** Gradients along the line. Default 50. */
  steps?: number;
  /** Default black. */
  baseline?: Baseline;
} = {}): InternalInfluence => ({ name: 'internal-influence', rule, steps, baseline });

export const explainInternalInfluence: Explain<InternalInfluence> = async (task, { rule, steps, baseline }) => {
  const { layer, of } = task;
  if (layer === undefined) throw new UsageError('internal influence is that of a layer: name one with `layer`');
  return overBaselines(task, baseline, async (task, baselines) => ({
    attributions: await integrate(
      task,
      {
        key: `gradient of ${keyOfExplained(of)} by ${layer} between images`,
        stage: 'internal-influence',
        passes: { forwards: 1, backwards: 1 },
        images: { start: baselines, end: task.images, target: task.targetRows },
        write: ({ g, model }, { start, end, target }, { at }) => {
          const applied = model(between(g, start!, end!, at));
          const [output, inner] = [explained(g, applied, target!, of), applied.value(layer)];
          checkDependence(g, output, inner, layer);
          return gradient(g, { of: output, wrt: [inner] })[0]!;
        },
      },
      { rule, steps },
    ),
    output: await valuesAt(task),
    baseOutput: await valuesAt(task, baselines),
    certificate: { points: new Array<number>(task.images.shape[0]!).fill(steps) },
  }));
};
