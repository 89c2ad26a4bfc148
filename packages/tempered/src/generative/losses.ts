/** @file The losses of the VAE-GAN of Kim, Seo & Jeon 2019 (notebooks 1.1, 2.1 and 3.1), one number an image. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { sizeOf } from '../tensor.ts';

/** Σ |x − x̃| over the pixels, on the scale of [−1, 1]; images [N, C, H, W] in [0, 1]. → [N] */
export function reconstructionError(g: GraphBuilder, images: Value, reconstructed: Value): Value {
  const [count = 0, ...rest] = images.shape;
  const distance = g.reshape(g.abs(g.sub(images, reconstructed)), [count, sizeOf(rest)]);
  return g.scale(g.reduceSum(distance, [1]), 2);
}

/** Kullback-Leibler divergence of N(μ, σ²) from N(0, 1): −½ Σ (1 + log σ² − μ² − σ²). [N, Z] → [N] */
export function klDivergence(g: GraphBuilder, mean: Value, logVariance: Value): Value {
  const terms = g.sub(g.sub(g.offset(logVariance, 1), g.square(mean)), g.exp(logVariance));
  return g.scale(g.reduceSum(terms, [1]), -0.5);
}

/** log(p + 1e-8), for the decoder and the discriminator. [N, 1] → [N] */
export function logProbability(g: GraphBuilder, probability: Value): Value {
  return g.reshape(g.log(g.offset(probability, 1e-8)), [probability.shape[0]!]);
}

/** log(1 − p + 1e-8). [N, 1] → [N] */
export function logComplement(g: GraphBuilder, probability: Value): Value {
  return logProbability(g, g.offset(g.neg(probability), 1));
}

/** A code drawn around μ: μ + e^{½ log σ²} · e, with e from N(0, 1). [N, Z] */
export function drawCode(g: GraphBuilder, mean: Value, logVariance: Value, noise: Value): Value {
  return g.add(mean, g.mul(g.exp(g.scale(logVariance, 0.5)), noise));
}
