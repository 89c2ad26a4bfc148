import { gradient, type Value } from 'onnx-grad';
import { objectives } from '../../objectives/objectives.ts';
import type { LossContext } from './context.ts';

/**
 * The l1 norm of the integrated gradients of the cross-entropy along the way from x to x' (Chen et al. 2019, IG-NORM, as
 * implemented by Boopathy et al. 2020): Σ |(x' − x) · 1/m Σ_k ∇C(x + k/m (x' − x))|, k = 1 … m. Training on it takes
 * second derivatives.
 */
export interface PathGradient {
  readonly name: 'path-gradient';
  /** m. */
  readonly steps: number;
  /** ∇ of the mean loss of the batch, as in the published code, which makes every image's norm smaller by the batch size; or of the image's own. */
  readonly of: 'batch mean' | 'image';
}

/** All points of the paths are one large batch; batch normalisation in training mode uses the statistics of all of them. */
export function writePathGradient({ g, passes, softTarget, apply }: LossContext, { steps, of }: PathGradient): Value {
  const way = g.sub(passes.adversarial.x, passes.clean.x);
  const points = Array.from({ length: steps }, (_, k) => g.add(passes.clean.x, g.scale(way, (k + 1) / steps)));
  const path = g.concat(points, 0);
  const targets = g.concat(
    points.map(() => softTarget),
    0,
  );
  const loss = objectives['cross-entropy'].build(g, apply(path).logits, targets);
  const [slope] = gradient(g, { of: loss, wrt: [path] });
  const [count, ...shape] = way.shape as [number, ...number[]];
  const mean = g.reduceMean(g.reshape(slope!, [steps, count, ...shape]), [0]);
  const norm = g.reduceSum(g.abs(g.mul(way, mean)), way.shape.map((_, axis) => axis).slice(1));
  return of === 'batch mean' ? g.scale(norm, 1 / count) : norm;
}
