/** @file Targets that are not quite certain. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';

/** Throws a UsageError unless the share lies in [0, 1). */
export function checkLabelSmoothing(share: number): void {
  if (!(share >= 0 && share < 1))
    throw new UsageError(`label smoothing must be a share from 0 to below 1, not ${share}`);
}

/**
 * Writes smoothed targets: (1 − share) · target + share / K, from one-hot classes [N, K]. Szegedy et al. 2016, §7.
 *
 * @example
 * const loss = crossEntropy(g, logits, smoothTarget(g, target, 0.1));
 */
export function smoothTarget(g: GraphBuilder, target: Value, share: number): Value {
  return share === 0 ? target : g.offset(g.scale(target, 1 - share), share / target.shape[1]!);
}
