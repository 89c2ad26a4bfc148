/** @file How initial weights are drawn. Biases are constants. */
import type { Random } from '../random.ts';

/** Numbers that enter one output, and outputs that one input enters. */
export interface Fan {
  readonly in: number;
  readonly out: number;
}

/** Fills a new weight. */
export type Initializer = (weight: Float32Array, random: Random, fan: Fan) => void;

/** N(0, gain² · 2 / fan-in). He et al. 2015, equation 10. */
export const heNormal =
  (gain = 1): Initializer =>
  (weight, random, fan) =>
    random.fillNormal(weight, 0, gain * Math.sqrt(2 / fan.in));

/** N(0, 1 / fan-in): a standard deviation of 1 / √(k · k · C) for a k×k convolution of C channels. */
export const fanInNormal: Initializer = (weight, random, fan) => random.fillNormal(weight, 0, Math.sqrt(1 / fan.in));

/** Uniform within ±√(6 / (fan-in + fan-out)). Glorot & Bengio 2010, equation 16. */
export const glorotUniform: Initializer = (weight, random, fan) => {
  const limit = Math.sqrt(6 / (fan.in + fan.out));
  random.fillUniform(weight, -limit, limit);
};

/** Normal numbers of mean 0, drawn again where they are further than two `deviation`s from it: TensorFlow's truncated normal. */
export const truncatedNormal =
  (deviation: number): Initializer =>
  (weight, random) => {
    for (let i = 0; i < weight.length; i++) {
      let value = random.normal();
      while (Math.abs(value) > 2) value = random.normal();
      weight[i] = deviation * value;
    }
  };
