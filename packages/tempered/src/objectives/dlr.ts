/** @file The difference of logits ratio: a margin that neither a shift nor a scale of the logits changes. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';

/**
 * DLR, −(z_y − max_{i≠y} z_i) / (z_π1 − z_π3), with z_πk the k-th largest logit: above 0 when the image is not
 * classified as y. Croce & Hein 2020, eq. 6.
 *
 * @param logits [N, K]
 * @param label one-hot, [N, K]
 * @returns [N]
 * @throws UsageError for less than three classes
 */
export function dlr(g: GraphBuilder, logits: Value, label: Value): Value {
  const [first, , third] = largest(g, logits, 3, 'DLR');
  const excluded = g.where(isOne(g, label), g.constant(-1e30), logits);
  const margin = g.sub(g.reduceMax(excluded, [1]), selected(g, logits, label));
  return g.div(margin, spread(g, logits, g.sub(first!, third!)));
}

/**
 * Targeted DLR, −(z_y − z_t) / (z_π1 − ½ (z_π3 + z_π4)): rises as the logit of `target` overtakes that of `label`.
 * Croce & Hein 2020, eq. 7.
 *
 * @param label one-hot, [N, K]; so is `target`
 * @returns [N]
 * @throws UsageError for less than four classes
 */
export function targetedDlr(g: GraphBuilder, logits: Value, label: Value, target: Value): Value {
  const [first, , third, fourth] = largest(g, logits, 4, 'targeted DLR');
  const difference = g.sub(selected(g, logits, target), selected(g, logits, label));
  return g.div(difference, spread(g, logits, g.sub(first!, g.scale(g.add(third!, fourth!), 0.5))));
}

/**
 * The denominator. Where the largest logits are equal it would be 0: it is kept above a millionth of the distance from
 * the largest to the smallest logit, which scales as they do, so that values and gradients stay finite.
 */
function spread(g: GraphBuilder, logits: Value, difference: Value): Value {
  const range = g.sub(g.reduceMax(logits, [1]), g.reduceMin(logits, [1]));
  const floor = g.where(g.greater(range, g.constant(0)), g.scale(range, 1e-6), g.constant(1));
  return g.where(g.greater(difference, floor), difference, floor);
}

/** The k largest logits of each image in falling order, [N] each. */
function largest(g: GraphBuilder, logits: Value, k: number, name: string): Value[] {
  const [count, classes] = logits.shape as [number, number];
  if (classes < k) throw new UsageError(`${name} compares ${k} classes, but the model has ${classes}: use the margin`);
  const [values] = g.node('TopK', [logits, g.integers([k])], { axis: 1 }, 2);
  return g
    .split(
      values!,
      Array.from({ length: k }, () => 1),
      1,
    )
    .map((value) => g.reshape(value, [count]));
}

const isOne = (g: GraphBuilder, oneHot: Value): Value => g.greater(oneHot, g.constant(0.5));

const selected = (g: GraphBuilder, logits: Value, oneHot: Value): Value => g.reduceSum(g.mul(logits, oneHot), [1]);
