import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import type { Network } from '../models/layers.ts';
import { sizeOf } from '../tensor.ts';

/** The values of one spectrally normalised layer, by their names in the graph. */
export const spectralNames = (layer: string) => ({
  /** Stored: the estimate of the first right-singular vector, an image of the layer's input shape. */
  u: `${layer}.u`,
  next: `${layer}.u_next`,
  v: `${layer}.v`,
});

/**
 * Spectral normalisation of a convolution after Miyato et al. 2018, algorithm 1, on the true convolution operator
 * rather than on the reshaped kernel: one step of power iteration v ← A u / ‖A u‖, u ← Aᵀ v / ‖Aᵀ v‖ from the stored u, and
 * σ ≈ ⟨A u, v⟩. The weight is divided by max(σ, 1): kernels are shrunk, never blown up.
 *
 * @param weight of the convolution
 * @param apply the convolution A of an image [1, C, H, W], without bias
 * @param shape of the layer's input, [C, H, W]
 */
export function spectrallyNormalized(
  { g, random }: Network,
  layer: string,
  weight: Value,
  apply: (image: Value) => Value,
  shape: readonly number[],
): Value {
  const names = spectralNames(layer);
  const data = new Float32Array(sizeOf(shape));
  random.split(names.u).fillNormal(data, 0, 1 / Math.sqrt(data.length));
  const u = g.parameter(names.u, { dtype: 'float32', shape: [1, ...shape], data });
  const image = apply(u);
  const v = g.rename(unit(g, image), names.v);
  const [back] = gradient(g, { of: image, wrt: [u], cotangent: v }) as [Value];
  const next = g.rename(unit(g, back), names.next);
  const sigma = g.reduceSum(g.mul(apply(next), v), [0, 1, 2, 3]);
  return g.div(weight, g.max(sigma, g.constant(1)));
}

function unit(g: GraphBuilder, x: Value): Value {
  return g.div(x, g.offset(g.sqrt(g.reduceSum(g.square(x), [0, 1, 2, 3])), 1e-12));
}
