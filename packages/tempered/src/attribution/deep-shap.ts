import { rows, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { layerValues, valuesAt } from './at-images.ts';
import { checkBackground } from './background.ts';
import { type DeepLiftRule, writeDeepLift } from './deep-lift.ts';
import { keyOfExplained } from './explained.ts';
import { completenessOf, type Explain } from './explanation.ts';
import { overPoints } from './points.ts';
import { estimateMean, relativeErrors } from './standard-error.ts';
import { taskRows } from './task-rows.ts';

export interface DeepShap {
  readonly name: 'deep-shap';
  readonly background: Tensor;
  readonly rule: DeepLiftRule;
}

/**
 * DeepSHAP: the mean of DeepLIFT over a background set, an approximation of Shapley values with those images as the
 * distribution of what is absent. Lundberg & Lee 2017, §4.2. The attributions add up to output − the mean output of the
 * background (`baseOutput`); the standard error is that of the background as a sample of a larger set.
 *
 * @example
 * await attribute(classifier, { images, method: deepShap({ background: rows(trainingImages, 0, 100) }) });
 */
export const deepShap = ({
  background,
  rule = 'rescale',
}: {
  /** [M, ...input shape]; every image is compared with every one of them. */
  background: Tensor;
  /** Default rescale, as in SHAP. */
  rule?: DeepLiftRule;
}): DeepShap => ({ name: 'deep-shap', background, rule });

export const explainDeepShap: Explain<DeepShap> = async (task, { background, rule }) => {
  const { classifier, images, of, targetRows, layer } = task;
  checkBackground(classifier, background, 'DeepSHAP compares with at least one');
  const size = background.shape[0]!;
  const count = images.shape[0]!;
  const shape =
    layer === undefined
      ? images.shape.slice(1)
      : (await layerValues(taskRows(task, 0, 1), layer, rows(images, 0, 1))).shape.slice(1);
  const length = sizeOf(shape);
  const attributions = zeros([count, ...shape]);
  const baseOutput = new Float32Array(count);
  const standardError = new Array<number>(count);
  await overPoints(
    task,
    {
      key: `deep-shap ${rule} of ${keyOfExplained(of)} at ${layer ?? 'the input'}`,
      stage: 'deep-shap',
      passes: { forwards: 2, backwards: 1 },
      counts: new Int32Array(count).fill(size),
      images: { x: images, target: targetRows },
      points: {
        baseline: {
          shape: images.shape.slice(1),
          fill: (into, _, point) => into.set(rows(background, point, point + 1).data),
        },
      },
      powers: 1,
      write: (context, { x, target, baseline }) => {
        const { g, batch } = context;
        const result = writeDeepLift(context, { x: x!, target: target!, baseline: baseline!, of, layer, rule });
        const flat = g.reshape(result.contributions, [batch, length]);
        return g.concat([flat, g.reshape(result.baseOutput, [batch, 1])], 1);
      },
    },
    (image, moments) => {
      const { values, squaredErrors } = estimateMean(moments);
      attributions.data.set(values.subarray(0, length), image * length);
      baseOutput[image] = values[length]!;
      standardError[image] = relativeErrors({
        values: values.subarray(0, length),
        squaredErrors: squaredErrors.subarray(0, length),
      });
    },
  );
  const output = await valuesAt(task);
  const differences = output.map((value, i) => value - baseOutput[i]!);
  const completeness = completenessOf(attributions, differences);
  return {
    attributions,
    output,
    baseOutput,
    certificate: { completeness, ...(size > 1 && { standardError }) },
  };
};
