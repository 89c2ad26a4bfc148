import { emptyGraph, GraphBuilder, gradient, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { Classifier } from '../../models/classifier.ts';
import { predict, predictLogits } from '../../models/predict.ts';
import { affineModel, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { HostTensor, Runtime } from '../../runtime/runtime.ts';
import { sizeOf, type Tensor, takeRows } from '../../tensor.ts';
import { type Attack, perturb } from '../attack.ts';
import { spatial } from '../spatial.ts';
import { elastic, elasticTransform } from './elastic.ts';
import { fog, fogTransform } from './fog.ts';
import { frankWolfeL1, pixelL1Transform } from './frank-wolfe-l1.ts';
import { gabor, gaborTransform } from './gabor.ts';
import { jpeg, jpegTransform } from './jpeg.ts';
import type { UnforeseenOptions } from './options.ts';
import { snow, snowTransform } from './snow.ts';
import type { Transform } from './transform.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Odd sides, not whole units of anything. */
const COLOUR = [3, 18, 21];
const GREY = [1, 15, 12];
interface Case {
  name: string;
  make(options: UnforeseenOptions): Attack;
  epsilon: number;
  /** Long enough for few steps to matter. */
  stepSize?: number;
  transform?(shape: readonly number[]): Transform;
  /** How far from a central difference the gradient may be: more where the transform bends within the difference. */
  tolerance?: number;
}

const CASES: readonly Case[] = [
  { name: 'gabor', make: gabor, epsilon: 0.1, stepSize: 0.1, transform: gaborTransform, tolerance: 0.1 },
  { name: 'snow', make: snow, epsilon: 0.3, stepSize: 0.1, transform: (shape) => snowTransform(shape) },
  { name: 'fog', make: fog, epsilon: 0.5, stepSize: 0.1, transform: fogTransform },
  { name: 'elastic', make: elastic, epsilon: 1.5, transform: elasticTransform, tolerance: 0.1 },
  ...(['linf', 'l2', 'l1'] as const).map((coefficientNorm, i) => ({
    name: `jpeg ${coefficientNorm}`,
    make: (options: UnforeseenOptions) => jpeg({ ...options, coefficientNorm }),
    epsilon: [1, 20, 300][i]!,
    transform: (shape: readonly number[]) => jpegTransform(shape, coefficientNorm),
  })),
  { name: 'frank-wolfe-l1', make: frankWolfeL1, epsilon: 10, transform: pixelL1Transform },
  { name: 'spatial', make: ({ steps }) => spatial({ steps, loss: 'margin' }), epsilon: 2 },
];

/** Mean margin of the true class over the best other: what attacks lower. */
async function margin(classifier: Classifier, images: Tensor, labels: ArrayLike<number>): Promise<number> {
  const { data } = await predictLogits(classifier, images, { batchSize: 4 });
  const margins = Array.from(labels, (label, i) => {
    const row = [...data.subarray(i * 4, i * 4 + 4)];
    return row[label]! - Math.max(...row.filter((_, k) => k !== label));
  });
  return margins.reduce((a, b) => a + b, 0) / margins.length;
}

describe.each(CASES)('$name', ({ name, make, epsilon, stepSize }) => {
  const startsAtRandom = name !== 'spatial';

  describe.each([
    ['colour', COLOUR],
    ['grey', GREY],
  ])('on %s images', (_, shape) => {
    const images = noiseImages(4, shape);
    // One classifier, and one batch size, for all tests: programs are compiled once.
    let classifier: Classifier;
    let labels: Int32Array;
    beforeAll(async () => {
      classifier = new Classifier(
        networkModel({ inputShape: shape, classes: 4, activation: 'Tanh', bias: true }),
        runtime,
      );
      labels = await predict(classifier, images, { batchSize: 4 });
    });
    afterAll(() => classifier.release());
    const at = (attack: Attack, over: { seed?: number; targets?: Int32Array; epsilon?: number } = {}) =>
      perturb(classifier, attack, { images, labels, epsilon, seed: 3, batchSize: 4, ...over });

    it('keeps to [0, 1] and leaves its input alone; ε = 0 gives the images back', async () => {
      const before = images.data.slice();
      const { adversarial, gradients } = await at(make({ steps: 3 }));
      expect(images.data).toEqual(before);
      expect(adversarial.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(adversarial.data).not.toEqual(before);
      expect(gradients).toBe(12);
      expect((await at(make({ steps: 3 }), { epsilon: 0 })).adversarial.data).toEqual(before);
    });

    it('depends on the seed and the number of an image, not on the images beside it', async () => {
      const attack = make({ steps: 3, stepSize });
      const all = (await at(attack)).adversarial;
      const { adversarial: some } = await perturb(classifier, attack, {
        ...{ images: takeRows(images, [3, 1]), labels: [3, 1].map((i) => labels[i]!), imageNumbers: [3, 1] },
        ...{ epsilon, seed: 3, batchSize: 4 },
      });
      const largest = Math.max(...takeRows(all, [3, 1]).data.map((value, i) => Math.abs(value - some.data[i]!)));
      expect(largest).toBeLessThan(1e-5);
      expect((await at(attack)).adversarial.data).toEqual(all.data);
      if (startsAtRandom) expect((await at(attack, { seed: 4 })).adversarial.data).not.toEqual(all.data);
    });

    it('lowers the margin of the true class by its steps, away and toward a given class', async () => {
      const run = async (steps: number, targets?: Int32Array) => {
        if (steps === 0 && !startsAtRandom) return images;
        return (await at(make({ steps, stepSize, aim: 'away' }), { targets })).adversarial;
      };
      const atStart = await margin(classifier, await run(0), labels);
      expect(await margin(classifier, await run(20), labels)).toBeLessThan(atStart - 0.05);
      const targets = labels.map((label) => (label + 1) % 4);
      const toTarget = await margin(classifier, await run(20, targets), targets);
      expect(toTarget).toBeGreaterThan((await margin(classifier, await run(0, targets), targets)) + 0.05);
    });
  });
});

describe.each(CASES.filter(({ transform }) => transform))('the transform of $name', (testCase) => {
  const { epsilon, transform, tolerance = 0.002 } = testCase;

  it.each([
    ['colour', COLOUR],
    ['grey', GREY],
  ])('has the gradient that differences show, on %s images', async (_, shape) => {
    const { write, draw, variables, constants = {} } = transform!(shape);
    const random = createRandom(8);
    const drawn = draw(random, epsilon);
    const direction = Float32Array.from({ length: sizeOf(variables) }, () => random.normal());
    const weights = Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
    const g = new GraphBuilder(emptyGraph('transform'));
    const input = (name: string, own: readonly number[]) => g.input(name, 'float32', [1, ...own]);
    const at = input('variables', variables);
    const image = write(g, {
      x: input('x', shape),
      variables: at,
      constants: Object.fromEntries(Object.entries(constants).map(([name, own]) => [name, input(name, own)])),
      epsilon: input('epsilon', []),
    });
    const [slope] = gradient(g, { of: image, wrt: [at], cotangent: g.constant([...weights], [1, ...shape]) });
    g.output(image, 'image');
    g.output(slope!, 'slope');
    const program = await runtime.compile(writeModel(g.graph));
    // Half-tones, so that few pixels meet the ends of [0, 1].
    const x = noiseImages(1, shape).data.map((value) => 0.3 + 0.2 * value);
    const feed = (own: readonly number[], data: Float32Array): HostTensor => ({
      dtype: 'float32',
      shape: [1, ...own],
      data,
    });
    const evaluate = async (step: number) => {
      const { fetched } = await program.run({
        x: feed(shape, x),
        variables: feed(
          variables,
          drawn.variables.map((value, i) => value + step * direction[i]!),
        ),
        epsilon: feed([], Float32Array.of(epsilon)),
        ...Object.fromEntries(
          Object.entries(constants).map(([name, own]) => [name, feed(own, drawn.constants![name]!)]),
        ),
      });
      const value = (fetched.image!.data as Float32Array).reduce((sum, pixel, i) => sum + pixel * weights[i]!, 0);
      return { value, slope: fetched.slope!.data as Float32Array };
    };
    const h = 2e-4;
    const { slope: found } = await evaluate(0);
    const along = found.reduce((sum, value, i) => sum + value * direction[i]!, 0);
    const difference = ((await evaluate(h)).value - (await evaluate(-h)).value) / (2 * h);
    const size = Math.sqrt(found.reduce((sum, value) => sum + value * value, 0));
    expect(size).toBeGreaterThan(0.01);
    // Relative to what such a direction can be expected to change.
    expect(Math.abs(along - difference) / size).toBeLessThan(tolerance);
  });
});

it.each([
  ['fog', fog()],
  ['spatial', spatial()],
  ['jpeg', jpeg()],
])('%s refuses inputs that are no images', async (_, attack) => {
  const classifier = new Classifier(
    affineModel(
      [4],
      [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
      ],
    ),
    runtime,
  );
  const images = { shape: [1, 4], data: Float32Array.of(0.1, 0.2, 0.3, 0.4) };
  const refusal = await perturb(classifier, attack, { images, labels: [0], epsilon: 1 }).catch((error) => error);
  expect(refusal).toBeInstanceOf(UsageError);
  expect(refusal.message).toMatch(/works on images, not on inputs of shape \[4\]/);
});

it('attacks are plain data', () => {
  for (const { make } of CASES) expect(JSON.parse(JSON.stringify(make({})))).toEqual(make({}));
  expect(elastic()).toEqual({
    name: 'elastic',
    steps: 200,
    stepSize: { relative: 1 / Math.sqrt(200) },
    aim: 'random-class',
  });
  expect(snow()).toMatchObject({ stepSize: { absolute: 0.002236 } });
  expect(() => fog({ steps: 1.5 })).toThrow('unforeseen attack: steps must be a whole number, 0 or more, not 1.5');
  expect(() => spatial({ memory: 0 })).toThrow('spatial attack: memory must be a whole number, 1 or more, not 0');
});
