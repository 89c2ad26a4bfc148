/**
 * @file Random numbers from one seed, the same on every platform. The generator is counter-based: Threefry-2x32 with 20
 * rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), so that a stream named by a path such as
 * ('train', 17) can be opened at once, without running through the ones before it.
 */

import { log } from './portable-math.ts';

export interface Random {
  /** 32 random bits, as an unsigned integer. */
  bits(): number;
  /** In [0, 1), a multiple of 2⁻³². */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** A whole number in 0 … n − 1, every one equally likely; n from 1 to 2³². */
  integer(n: number): number;
  /** A random permutation of 0 … n − 1. */
  shuffle(n: number): Uint32Array;
  /** Fills with uniform numbers in [low, high). */
  fillUniform(array: Float32Array, low: number, high: number): void;
  /** Fills with normal numbers. */
  fillNormal(array: Float32Array, mean: number, standardDeviation: number): void;
  /** An independent generator. It depends on this one's seed and path, not on how much was drawn from this one. */
  split(...stream: (number | string)[]): Random;
}

/**
 * Opens the stream of random numbers that belongs to `seed` and a path of numbers and strings.
 *
 * @example
 * const random = createRandom(1, 'attack', 3);
 * random.uniform();
 */
export function createRandom(seed: number, ...stream: (number | string)[]): Random {
  return open([seed, ...stream].reduce(foldIn, [0, 0] as Words));
}

type Words = readonly [number, number];

/** The Threefry-2x32-20 block function: two words of key, two of counter, two random words out (all int32). */
export function threefry([key0, key1]: Words, counter0: number, counter1: number): [number, number] {
  const key2 = key0 ^ key1 ^ 0x1bd11bda;
  let x = (counter0 + key0) | 0;
  let y = (counter1 + key1) | 0;
  for (let group = 0; group < 5; group++) {
    if (group % 2 === 0) {
      x = (x + y) | 0;
      y = ((y << 13) | (y >>> 19)) ^ x;
      x = (x + y) | 0;
      y = ((y << 15) | (y >>> 17)) ^ x;
      x = (x + y) | 0;
      y = ((y << 26) | (y >>> 6)) ^ x;
      x = (x + y) | 0;
      y = ((y << 6) | (y >>> 26)) ^ x;
    } else {
      x = (x + y) | 0;
      y = ((y << 17) | (y >>> 15)) ^ x;
      x = (x + y) | 0;
      y = ((y << 29) | (y >>> 3)) ^ x;
      x = (x + y) | 0;
      y = ((y << 16) | (y >>> 16)) ^ x;
      x = (x + y) | 0;
      y = ((y << 24) | (y >>> 8)) ^ x;
    }
    const turn = group % 3;
    x = (x + (turn === 0 ? key1 : turn === 1 ? key2 : key0)) | 0;
    y = (y + (turn === 0 ? key2 : turn === 1 ? key0 : key1) + group + 1) | 0;
  }
  return [x, y];
}

// Output uses counters with a second word below 2³⁰; the two sorts of path component use the ones above, so no stream
// ever meets another one's key.
const NUMBER_TAG = 0x40000000;
const STRING_TAG = 0x20000000;

function foldIn(key: Words, component: number | string): Words {
  if (typeof component === 'number') {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, component + 0); // −0 is 0
    return threefry(threefry(key, view.getInt32(0), NUMBER_TAG), view.getInt32(4), NUMBER_TAG);
  }
  let result = threefry(key, component.length, STRING_TAG);
  for (let i = 0; i < component.length; i++) result = threefry(result, component.charCodeAt(i), STRING_TAG);
  return result;
}

/** How many words there are: 2³². */
const WORDS = 0x100000000;

function open(key: Words): Random {
  let counter = 0;
  let carry = 0;
  let spare = 0;
  let hasSpare = false;

  const bits = (): number => {
    if (hasSpare) {
      hasSpare = false;
      return spare >>> 0;
    }
    const [first, second] = threefry(key, counter, carry);
    counter = (counter + 1) | 0;
    if (counter === 0) carry++;
    spare = second;
    hasSpare = true;
    return first >>> 0;
  };

  const integer = (n: number): number => {
    if (!Number.isInteger(n) || n < 1 || n > WORDS) throw new RangeError(`integer(n) needs n from 1 to 2³², not ${n}`);
    // The incomplete last run of n values would make small results likelier: draw again.
    const limit = WORDS - (WORDS % n);
    let value = bits();
    while (value >= limit) value = bits();
    return value % n;
  };

  const normal = (): number => normalQuantile((bits() + 0.5) / WORDS);

  return {
    bits,
    integer,
    normal,
    uniform: () => bits() / WORDS,
    shuffle(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = integer(i + 1);
        const held = order[i]!;
        order[i] = order[j]!;
        order[j] = held;
      }
      return order;
    },
    fillUniform(array, low, high) {
      // 24 bits are what float32 holds: rounding never reaches 1.
      const scale = (high - low) / 0x1000000;
      for (let i = 0; i < array.length; i++) array[i] = low + (bits() >>> 8) * scale;
    },
    fillNormal(array, mean, standardDeviation) {
      for (let i = 0; i < array.length; i++) array[i] = mean + standardDeviation * normal();
    },
    split: (...stream) => open(stream.reduce(foldIn, key)),
  };
}

/** Quantile of the standard normal distribution: Wichura, algorithm AS 241 (PPND16), Applied Statistics 37, 1988. */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(CENTRAL_NUMERATOR, r)) / polynomial(CENTRAL_DENOMINATOR, r);
  }
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  const tail =
    r <= 5
      ? polynomial(MIDDLE_NUMERATOR, r - 1.6) / polynomial(MIDDLE_DENOMINATOR, r - 1.6)
      : polynomial(FAR_NUMERATOR, r - 5) / polynomial(FAR_DENOMINATOR, r - 5);
  return q < 0 ? -tail : tail;
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!;
  return sum;
}

// biome-ignore-start lint/correctness/noPrecisionLoss: the coefficients as published
const CENTRAL_NUMERATOR = [
  3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
  67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
];
const CENTRAL_DENOMINATOR = [
  1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867, 39307.89580009271061,
  28729.085735721942674, 5226.495278852545925,
];
const MIDDLE_NUMERATOR = [
  1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504, 1.27045825245236838258,
  0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
];
const MIDDLE_DENOMINATOR = [
  1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
  0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
];
const FAR_NUMERATOR = [
  6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123, 0.026532189526576123093,
  0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
];
const FAR_DENOMINATOR = [
  1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
  1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
];
// biome-ignore-end lint/correctness/noPrecisionLoss: the coefficients as published
