/** Closed forms, brute force and what holds for every method that hides parts of an image. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { Classifier } from '../../models/classifier.ts';
import { predictLogits } from '../../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { trackTensors } from '../../runtime/testing/track-tensors.ts';
import { rows, type Tensor, takeRows } from '../../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from '../attribute.ts';
import type { Baseline } from '../baseline.ts';
import { exactShapley } from './exact-shapley.ts';
import { featureAblation } from './feature-ablation.ts';
import type { Features } from './features.ts';
import { kernelShap } from './kernel-shap.ts';
import { chooseCoalitions } from './kernel-shap-coalitions.ts';
import { lime } from './lime.ts';
import { occlusion } from './occlusion.ts';
import { rise } from './rise.ts';
import { shapleySampling } from './shapley-sampling.ts';

const SHAPE = [2, 2, 3];
const SIZE = 12;
const images = noiseImages(3, SHAPE);
const WEIGHTS = [0, 1, 2].map((k) => Array.from({ length: SIZE }, (_, i) => Math.sin(3 * k + i)));

let runtime: Runtime;
let affine: Classifier;
let smooth: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  affine = new Classifier(affineModel(SHAPE, WEIGHTS, [0.1, 0.2, 0.3]), runtime);
  smooth = new Classifier(networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }), runtime);
});
afterAll(() => runtime.close());

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((largest, value) => Math.max(largest, value), 0);

/** Five features of a [2, 2, 3] image, of different sizes, across channels. */
const FIVE: Features = { shape: SHAPE, data: [0, 0, 1, 2, 2, 3, 4, 4, 1, 0, 2, 3] };

/** Logit 1 of one image with the features of a coalition kept, the others white; computed here, image by image. */
async function valueWith(classifier: Classifier, image: Tensor, of: ArrayLike<number>, kept: ReadonlySet<number>) {
  const data = image.data.map((value, i) => (kept.has(of[i]!) ? value : 1));
  return (await predictLogits(classifier, { shape: image.shape, data })).data[1]!;
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first) => permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]));
}

/** x with matrix · x = right, by Gauss and Jordan. */
function eliminate(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rowsOf = matrix.map((row, i) => [...row, right[i]!]);
  for (let k = 0; k < rowsOf.length; k++)
    for (let i = 0; i < rowsOf.length; i++) {
      if (i === k) continue;
      const factor = rowsOf[i]![k]! / rowsOf[k]![k]!;
      rowsOf[i] = rowsOf[i]!.map((value, j) => value - factor * rowsOf[k]![j]!);
    }
  return rowsOf.map((row, k) => row.at(-1)! / row[k]!);
}

describe('on an affine classifier', () => {
  const closed = (baseline: (i: number) => number) =>
    Array.from(images.data, (x, i) => WEIGHTS[1]![i % SIZE]! * (x - baseline(i)));
  const elements = { features: 'elements' } as const;

  it.each<[string, (baseline: Baseline) => AttributionMethod]>([
    ['occlusion of single elements', (baseline) => occlusion({ window: [1, 1, 1], baseline })],
    ['feature ablation', (baseline) => featureAblation({ ...elements, baseline })],
    ['LIME without a penalty', (baseline) => lime({ ...elements, samples: 60, ridge: 0, baseline })],
    ['Kernel SHAP', (baseline) => kernelShap({ ...elements, samples: 60, baseline })],
    ['sampled Shapley values', (baseline) => shapleySampling({ ...elements, permutations: 2, baseline })],
    ['exact Shapley values', (baseline) => exactShapley({ ...elements, baseline })],
  ])('%s is gradient × (x − baseline)', async (_, methodWith) => {
    const several = noiseImages(3, SHAPE, 5);
    const mean = (i: number) => [0, 1, 2].reduce((sum, n) => sum + several.data[n * SIZE + (i % SIZE)]! / 3, 0);
    const cases: [Baseline, (i: number) => number][] = [
      ['black', () => 0],
      ['white', () => 1],
      [several, (i) => several.data[i]!],
      [{ average: several }, mean],
    ];
    for (const [baseline, form] of cases) {
      const { attributions } = await attribute(affine, { images, method: methodWith(baseline), target: 1 });
      expect(attributions.shape).toEqual(images.shape);
      expect(furthest(attributions.data, closed(form))).toBeLessThan(2e-5);
    }
  });

  it.each<[string, AttributionMethod]>([
    ['occlusion', occlusion({ window: 1 })],
    ['feature ablation', featureAblation({ features: 'pixels' })],
    ['exact Shapley values', exactShapley({ features: { squares: 1 } })],
    ['Kernel SHAP', kernelShap({ features: { shape: [2, 3], data: [3, 5, 9, -1, 0, 7] } })],
  ])('%s of pixels over all channels has one channel, the sum of the gradients × inputs', async (_, method) => {
    const { attributions } = await attribute(affine, { images, method, target: 1 });
    expect(attributions.shape).toEqual([3, 1, 2, 3]);
    const both = closed(() => 0);
    const sums = Array.from(attributions.data, (_, i) => {
      const first = Math.floor(i / 6) * SIZE + (i % 6);
      return both[first]! + both[first + 6]!;
    });
    expect(furthest(attributions.data, sums)).toBeLessThan(5e-6);
  });

  it('the surrogate of LIME fits and its errors are none', async () => {
    const method = lime({ features: 'elements', samples: 80, ridge: 0 });
    const { certificate } = await attribute(affine, { images, method, target: 1 });
    for (const fit of certificate!.fit!) expect(fit).toBeGreaterThan(1 - 1e-6);
    for (const error of certificate!.standardError!) expect(error).toBeLessThan(1e-4);
  });
});

describe('on a smooth network', () => {
  const image = rows(images, 1, 2);
  const explain = (method: AttributionMethod, options: Partial<AttributeOptions> = {}) =>
    attribute(smooth, { images: image, method, target: 1, imageNumbers: [1], ...options });

  it('exact Shapley values are means over all orders, and Kernel SHAP with all coalitions finds them', async () => {
    const values = new Map<string, number>();
    const of = FIVE.data;
    const expected = new Float64Array(5);
    const orders = permutations([0, 1, 2, 3, 4]);
    const known = async (kept: readonly number[]) => {
      const key = [...kept].sort().join();
      if (!values.has(key)) values.set(key, await valueWith(smooth, image, of, new Set(kept)));
      return values.get(key)!;
    };
    for (const order of orders)
      for (const [k, feature] of order.entries())
        expected[feature]! += ((await known(order.slice(0, k + 1))) - (await known(order.slice(0, k)))) / orders.length;
    const everywhere = Array.from(of, (feature) => expected[feature]!);
    const options = { features: FIVE, baseline: 'white' } as const;
    const exact = await explain(exactShapley(options));
    const kernel = await explain(kernelShap(options));
    // Five factorial orders in antithetic pairs would be exact too, but they are drawn.
    const sampled = await explain(shapleySampling({ ...options, permutations: 400 }));
    expect(furthest(exact.attributions.data, everywhere)).toBeLessThan(2e-6);
    expect(furthest(kernel.attributions.data, everywhere)).toBeLessThan(5e-6);
    expect(kernel.certificate!.standardError![0]).toBe(0);
    expect(furthest(sampled.attributions.data, everywhere)).toBeLessThan(0.03 * Math.max(...expected.map(Math.abs)));
    for (const { certificate } of [exact, kernel, sampled]) {
      expect(certificate!.completeness![0]!.error).toBeLessThan(2e-6);
      expect(certificate!.completeness![0]!.difference).toBeCloseTo(values.get('0,1,2,3,4')! - values.get('')!, 5);
    }
    expect(exact.cost.forwards).toBe(2 + 30);
    expect(kernel.cost.forwards).toBe(2 + 30);
    expect(sampled.cost.forwards).toBe(2 + 400 * 4);
  });

  it.each<[string, (samples: number) => AttributionMethod, number, number]>([
    ['Kernel SHAP', (samples) => kernelShap({ features: 'elements', samples }), 200, 200],
    ['sampled Shapley values', (n) => shapleySampling({ features: 'elements', permutations: n }), 20, 20],
    ['without pairs', (n) => shapleySampling({ features: 'elements', permutations: n, antithetic: false }), 20, 20],
  ])('the standard error of %s is the spread over seeds, around the exact values', async (_, methodOf, samples) => {
    const exact = (await explain(exactShapley({ features: 'elements' }))).attributions.data;
    const largest = Math.max(...exact.map(Math.abs));
    const seeds = 40;
    let squares = 0;
    let stated = 0;
    for (let seed = 0; seed < seeds; seed++) {
      const { attributions, certificate } = await explain(methodOf(samples), { seed });
      stated += (certificate!.standardError![0]! * largest) ** 2 / seeds;
      squares += attributions.data.reduce((sum, value, i) => sum + (value - exact[i]!) ** 2, 0) / SIZE / seeds;
    }
    expect(stated).toBeGreaterThan(0);
    // 40 seeds know a mean square within a third or so; a wrong formula is off by 2 or more.
    expect(Math.sqrt(stated / squares)).toBeGreaterThan(0.7);
    expect(Math.sqrt(stated / squares)).toBeLessThan(1.45);
  });

  it('the standard error of LIME is the spread over seeds', async () => {
    const method = lime({ features: 'elements', samples: 300, kernelWidth: 0.5, baseline: 'black' });
    const runs: Float32Array[] = [];
    let stated = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { attributions, certificate } = await explain(method, { seed });
      runs.push(attributions.data);
      stated += (certificate!.standardError![0]! * Math.max(...attributions.data.map(Math.abs))) ** 2 / 40;
    }
    let spread = 0;
    for (let i = 0; i < SIZE; i++) {
      const mean = runs.reduce((sum, run) => sum + run[i]! / 40, 0);
      spread += runs.reduce((sum, run) => sum + (run[i]! - mean) ** 2 / 39, 0) / SIZE;
    }
    expect(Math.sqrt(stated / spread)).toBeGreaterThan(0.7);
    expect(Math.sqrt(stated / spread)).toBeLessThan(1.45);
  });

  it.each([0, 400])('LIME tends to the weighted regression over all copies, with a penalty of %f', async (ridge) => {
    const samples = 4000;
    const of: number[] = [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1];
    // Unknowns: three weights and the intercept; the first copy is the image itself.
    const matrix = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j && i < 3 ? ridge : 0)));
    const right = [0, 0, 0, 0];
    for (let coalition = 0; coalition < 8; coalition++) {
      const kept = [0, 1, 2].filter((j) => (coalition >> j) & 1);
      const value = await valueWith(smooth, image, of, new Set(kept));
      const distance = 1 - Math.sqrt(kept.length / 3);
      const weight = Math.exp(-((distance / 0.5) ** 2) / 2) * ((samples - 1) / 8 + (coalition === 7 ? 1 : 0));
      const row = [0, 1, 2, 3].map((j) => (j === 3 || kept.includes(j) ? 1 : 0));
      for (const i of [0, 1, 2, 3]) {
        right[i]! += weight * row[i]! * value;
        for (const j of [0, 1, 2, 3]) matrix[i]![j]! += weight * row[i]! * row[j]!;
      }
    }
    const expected = eliminate(matrix, right);
    const { attributions, certificate } = await explain(
      lime({ features: { shape: SHAPE, data: of }, samples, ridge, kernelWidth: 0.5, baseline: 'white' }),
    );
    const largest = Math.max(...attributions.data.map(Math.abs));
    const error = certificate!.standardError![0]! * largest;
    expect(error).toBeLessThan(0.05 * largest);
    of.forEach((feature, i) => {
      expect(Math.abs(attributions.data[i]! - expected[feature]!)).toBeLessThan(4.5 * error);
    });
    expect(certificate!.fit![0]).toBeGreaterThan(0.5);
  });

  it('occlusion is the mean fall over the windows that cover an element', async () => {
    const shape = [2, 4, 5];
    const classifier = new Classifier(
      networkModel({ inputShape: shape, classes: 3, activation: 'Tanh', bias: true }),
      runtime,
    );
    const one = noiseImages(1, shape, 3);
    const { attributions, output } = await attribute(classifier, {
      images: one,
      target: 2,
      method: occlusion({ window: [1, 3, 2], stride: [1, 2, 2], baseline: 'white' }),
    });
    const sums = new Float64Array(40);
    const counts = new Float64Array(40);
    for (const c of [0, 1])
      for (const y of [0, 2])
        for (const x of [0, 2, 4]) {
          const inside = (i: number) => {
            const [row, column] = [Math.floor(i / 5) % 4, i % 5];
            return Math.floor(i / 20) === c && row >= y && row < y + 3 && column >= x && column < x + 2;
          };
          const hidden = { shape: one.shape, data: one.data.map((value, i) => (inside(i) ? 1 : value)) };
          const value = (await predictLogits(classifier, hidden)).data[2]!;
          for (let i = 0; i < 40; i++)
            if (inside(i)) {
              sums[i]! += output[0]! - value;
              counts[i]! += 1;
            }
        }
    expect(
      furthest(
        attributions.data,
        sums.map((sum, i) => sum / counts[i]!),
      ),
    ).toBeLessThan(3e-6);
  });

  it('occlusion counts no windows behind the border, for a stride above the window', async () => {
    const shape = [2, 4, 5];
    const classifier = new Classifier(
      networkModel({ inputShape: shape, classes: 3, activation: 'Tanh', bias: true }),
      runtime,
    );
    const one = noiseImages(1, shape, 3);
    // The corner of 3 × 3 pixels, and at most what begins in the fifth column.
    for (const [stride, windows] of [
      [5, 1],
      [9, 1],
      [4, 2],
    ] as const) {
      const { attributions, output, cost } = await attribute(classifier, {
        images: one,
        target: 2,
        method: occlusion({ window: 3, stride }),
      });
      expect(cost.forwards).toBe(1 + windows);
      const inside = (i: number) => Math.floor(i / 5) % 4 < 3 && i % 5 < 3;
      const hidden = { shape: one.shape, data: one.data.map((value, i) => (inside(i) ? 0 : value)) };
      const fall = output[0]! - (await predictLogits(classifier, hidden)).data[2]!;
      for (let i = 0; i < 20; i++) {
        if (inside(i)) expect(attributions.data[i]).toBeCloseTo(fall, 5);
        else if (windows === 1) expect(attributions.data[i]).toBe(0);
      }
    }
  });

  it('explains probability, difference and a unit', async () => {
    const logits = (await predictLogits(smooth, image)).data;
    const exp = [...logits].map(Math.exp);
    const probability = exp[1]! / exp.reduce((a, b) => a + b);
    for (const [of, value] of [
      ['probability', probability],
      [{ minus: 2 }, logits[1]! - logits[2]!],
    ] as const) {
      const { output, certificate } = await explain(exactShapley({ features: FIVE }), { of });
      expect(output[0]).toBeCloseTo(value, 5);
      expect(certificate!.completeness![0]!.error).toBeLessThan(1e-6);
    }
    const hidden = smooth.description.graph.nodes.find(({ op }) => op === 'Tanh')!.outputs[0]!;
    for (const method of [occlusion(), rise({ samples: 5, cells: 2 }), kernelShap({ features: FIVE })]) {
      const { attributions } = await explain(method, { of: { unit: `${hidden}:3` } });
      expect(Math.max(...attributions.data.map(Math.abs))).toBeGreaterThan(0);
    }
  });
});

it('features that the network does not look at get 0', async () => {
  const blind = modelOf([4], 2, (g, x) => {
    const seen = g.tanh(g.slice(x, { starts: [0], ends: [2], axes: [1] }));
    const product = g.reduceSum(g.square(g.reduceSum(seen, [1], true)), [1], true);
    return g.rename(g.concat([product, g.neg(product)], 1), 'logits');
  });
  const classifier = new Classifier(blind, runtime);
  for (const method of [
    occlusion(),
    featureAblation(),
    exactShapley(),
    kernelShap(),
    shapleySampling({ permutations: 6 }),
  ]) {
    const { attributions } = await attribute(classifier, { images: noiseImages(2, [4]), method, target: 0 });
    for (const n of [0, 1]) {
      expect(furthest(attributions.data.subarray(4 * n + 2, 4 * n + 4), [0, 0])).toBeLessThan(1e-6);
      expect(Math.min(...attributions.data.subarray(4 * n, 4 * n + 2).map(Math.abs))).toBeGreaterThan(0.01);
    }
  }
});

const everyMethod: [string, AttributionMethod][] = [
  ['occlusion', occlusion({ window: [2, 1, 2] })],
  ['feature ablation', featureAblation({ features: { superpixels: 4 } })],
  ['RISE', rise({ samples: 30, cells: 2 })],
  ['RISE by empirical mean', rise({ samples: 30, cells: 2, normalisation: 'empirical' })],
  ['LIME', lime({ features: { squares: 2 }, samples: 40 })],
  ['Kernel SHAP', kernelShap({ features: 'elements', samples: 70 })],
  ['sampled Shapley values', shapleySampling({ features: 'pixels', permutations: 6 })],
  ['exact Shapley values', exactShapley({ features: { superpixels: 3 } })],
  ['many baselines', featureAblation({ features: 'pixels', baseline: { gaussian: 3 } })],
];

describe.each(everyMethod)('%s', (_, method) => {
  it('depends on neither batch size, nor order, nor other images, and on nothing but the seed', async () => {
    const all = await attribute(smooth, { images, method, target: 1 });
    const again = await attribute(smooth, { images, method, target: 1 });
    expect(again.attributions).toEqual(all.attributions);
    const small = await attribute(smooth, { images, method, target: 1, batchSize: 3 });
    expect(furthest(small.attributions.data, all.attributions.data)).toBeLessThan(1e-5);
    const turned = await attribute(smooth, {
      images: takeRows(images, [2, 0, 1]),
      method,
      target: 1,
      imageNumbers: [2, 0, 1],
    });
    expect(takeRows(turned.attributions, [1, 2, 0])).toEqual(all.attributions);
    const alone = await attribute(smooth, { images: rows(images, 2, 3), method, target: 1, imageNumbers: [2] });
    expect(furthest(alone.attributions.data, rows(all.attributions, 2, 3).data)).toBeLessThan(1e-5);
    const other = await attribute(smooth, { images, method, target: 1, seed: 1 });
    const isRandom =
      ['rise', 'lime', 'kernel-shap', 'shapley-sampling'].includes(method.name) ||
      'gaussian' in Object(Object(method).baseline);
    expect(furthest(other.attributions.data, all.attributions.data) > 0).toBe(isRandom);
  });

  it('reports progress to its end, stops when asked and leaves nothing with the engine', async () => {
    const tracked = trackTensors(runtime);
    const classifier = new Classifier(smooth.description, tracked.runtime);
    const seen: [number, number][] = [];
    const stop = new AbortController();
    await attribute(classifier, {
      images,
      method,
      target: 1,
      onProgress: ({ done, total }) => seen.push([done, total]),
    });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.at(-1)![0]).toBe(seen.at(-1)![1]);
    expect(seen.every(([done], k) => k === 0 || done >= seen[k - 1]![0])).toBe(true);
    const stopped = attribute(classifier, {
      images,
      method,
      target: 1,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(tracked.live.size).toBe(0);
  });
});

describe('the coalitions of Kernel SHAP', () => {
  it.each([
    [6, 1000],
    [7, 200],
    [12, 300],
    [30, 500],
  ])('of %i features and %i samples weigh each size as the Shapley kernel does', (features, samples) => {
    const { kept, weights, drawnFrom } = chooseCoalitions(features, samples, createRandom(3));
    expect(weights.length).toBeLessThanOrEqual(samples);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    const bySize = new Float64Array(features + 1);
    const whole = new Set<number>();
    weights.forEach((weight, k) => {
      const size = kept.subarray(k * features, (k + 1) * features).reduce((a, b) => a + b, 0);
      bySize[size]! += weight;
      if (k < drawnFrom) whole.add(size);
    });
    const kernel = bySize.map((_, s) => (s === 0 || s === features ? 0 : 1 / (s * (features - s))));
    const total = kernel.reduce((a, b) => a + b);
    expect(whole.has(1) && whole.has(features - 1)).toBe(true);
    bySize.forEach((share, size) => {
      const expected = kernel[size]! / total;
      // What is drawn has the kernel's share on average.
      expect(Math.abs(share - expected)).toBeLessThanOrEqual(
        whole.has(size) ? 1e-12 : 4 * Math.sqrt(expected / samples),
      );
    });
  });
});

describe('bad input', () => {
  const wide = { shape: [2, 3], data: [0, 1, 2, 3, 4, 0.5] };
  it.each<[string, AttributionMethod, RegExp]>([
    ['window too long', occlusion({ window: 4 }), /window of 4 with steps of 2 does not go over an axis of 2/],
    ['window of two axes', occlusion({ window: [1, 1] }), /has 2 lengths, the input has 3/],
    ['stride 0', occlusion({ stride: 0 }), /steps of 0/],
    ['probability 1', rise({ probability: 1, cells: 2 }), /between 0 and 1, not 1/],
    ['no masks', rise({ samples: 0 }), /samples must be a whole number/],
    [
      'unknown normalisation',
      rise({ normalisation: 'mean' as 'expected', cells: 2 }),
      /expected or empirical, not 'mean'/,
    ],
    ['cells of less than a pixel', rise({ cells: 3 }), /images of 2 pixels .* have no 3 cells/],
    ['baselines of RISE', rise({ baseline: 'uniform' }), /one baseline an image/],
    ['kernel width', lime({ kernelWidth: 0 }), /kernel width must be above 0/],
    ['ridge', lime({ ridge: -1 }), /ridge must be 0 or more/],
    ['undetermined', lime({ samples: 5, ridge: 0, features: 'elements' }), /5 samples do not determine .* 12 features/],
    ['few samples', kernelShap({ samples: 20, features: 'elements' }), /at least 48 samples, not 20/],
    ['odd pairs', shapleySampling({ permutations: 3 }), /even number, not 3/],
    ['mask of fractions', featureAblation({ features: wide }), /whole numbers, not 0.5/],
    ['mask too small', featureAblation({ features: { shape: [2], data: [0, 1] } }), /does not fit 3 inputs/],
    ['squares of 0', featureAblation({ features: { squares: 0 } }), /side of squares/],
  ])('%s', async (_, method, message) => {
    const asked = attribute(affine, { images, method });
    await expect(asked).rejects.toThrow(UsageError);
    await expect(attribute(affine, { images, method })).rejects.toThrow(message);
  });

  it('means of features that are one value', async () => {
    for (const features of ['elements', 'pixels'] as const) {
      const asked = attribute(affine, { images, method: lime({ features, baseline: 'feature-mean' }) });
      await expect(asked).rejects.toThrow(/hides nothing/);
    }
  });

  it('too many features, a layer, and pixels of a vector', async () => {
    const vector = new Classifier(affineModel([20], [new Array(20).fill(1), new Array(20).fill(0)]), runtime);
    const explain = (method: AttributionMethod, layer?: string) =>
      attribute(vector, { images: noiseImages(1, [20]), method, ...(layer !== undefined && { layer }) });
    await expect(explain(exactShapley())).rejects.toThrow(/at most 16 features, not 20/);
    await expect(explain(featureAblation({ features: 'pixels' }))).rejects.toThrow(/have no pixels or channels/);
    const wide = new Classifier(affineModel([2001], [new Array(2001).fill(1), new Array(2001).fill(0)]), runtime);
    for (const method of [kernelShap(), lime()])
      await expect(attribute(wide, { images: noiseImages(1, [2001]), method })).rejects.toThrow(
        /at most 2000 features/,
      );
    await expect(explain(rise())).rejects.toThrow(/RISE explains images/);
    await expect(explain(occlusion(), 'logits')).rejects.toThrow(/no form for the layer/);
  });
});

describe('at a layer', () => {
  const shape = [1, 4, 4];
  const twoChannels = modelOf(shape, 2, (g, x) => {
    const kernel = Float32Array.from({ length: 18 }, (_, i) => Math.cos(i));
    const map = g.rename(
      g.op('Relu', [g.op('Conv', [x, g.parameter('kernel', { dtype: 'float32', shape: [2, 1, 3, 3], data: kernel })])]),
      'map',
    );
    const sums = g.square(g.reduceSum(map, [2, 3]));
    // The image itself reaches the output as well, past the layer.
    return g.rename(g.add(sums, g.reduceSum(x, [2, 3])), 'logits');
  });

  it('channels are features, the baseline takes its value there, and what goes past counts as it is', async () => {
    const classifier = new Classifier(twoChannels, runtime);
    const own = noiseImages(2, shape);
    const sumOf = (image: Float32Array, channel: number) => {
      let sum = 0;
      for (const y of [0, 1])
        for (const x of [0, 1]) {
          let value = 0;
          for (let i = 0; i < 9; i++)
            value += image[(y + Math.floor(i / 3)) * 4 + x + (i % 3)]! * Math.cos(9 * channel + i);
          sum += Math.max(0, value);
        }
      return sum ** 2;
    };
    const white = new Float32Array(16).fill(1);
    for (const method of [featureAblation({ baseline: 'white' }), exactShapley({ baseline: 'white' })]) {
      const { attributions, certificate, layer } = await attribute(classifier, {
        images: own,
        method,
        target: 1,
        layer: 'map',
      });
      expect(layer).toBe('map');
      expect(attributions.shape).toEqual([2, 2, 2, 2]);
      for (const n of [0, 1]) {
        const image = rows(own, n, n + 1).data;
        const fall = sumOf(image, 1) - sumOf(white, 1);
        const found = rows(attributions, n, n + 1).data;
        expect(furthest(found, [0, 0, 0, 0, fall, fall, fall, fall])).toBeLessThan(2e-5);
        if (certificate) expect(certificate.completeness![n]!.error).toBeLessThan(2e-5);
      }
    }
  });
});

it('the mean over baselines of a game is the game of the mean', async () => {
  const several = noiseImages(2, SHAPE, 8);
  const one = (baseline: Baseline) =>
    attribute(smooth, { images, method: kernelShap({ features: FIVE, baseline }), target: 0 });
  const both = await one({ average: several });
  const parts = [await one(rows(several, 0, 1)), await one(rows(several, 1, 2))];
  const mean = both.attributions.data.map(
    (_, i) => (parts[0]!.attributions.data[i]! + parts[1]!.attributions.data[i]!) / 2,
  );
  expect(furthest(both.attributions.data, mean)).toBeLessThan(5e-6);
  expect(
    furthest(
      both.baseOutput!,
      parts[0]!.baseOutput!.map((value, i) => (value + parts[1]!.baseOutput![i]!) / 2),
    ),
  ).toBeLessThan(1e-6);
});
