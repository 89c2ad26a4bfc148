import fc from 'fast-check';
import type { GraphBuilder, Value } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { affineModel, modelOf, networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { type Attack, perturb } from './attack.ts';
import { fgsm } from './fgsm.ts';
import { pgd, stepSizeAt } from './pgd.ts';
import { restarts } from './restarts.ts';
import { jpeg } from './unforeseen/jpeg.ts';

const SHAPE = [1, 2, 3];
const WEIGHTS = [
  [1, -2, 0.5, 0, 1, -1],
  [-1, 1, 0.5, 2, 0, -3],
];

let runtime: Runtime;
let affine: Classifier;
let network: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  affine = new Classifier(affineModel(SHAPE, WEIGHTS), runtime);
  network = new Classifier(networkModel({ inputShape: SHAPE, classes: 4, activation: 'Relu', bias: true }), runtime);
});
afterAll(() => runtime.close());

const images = noiseImages(20, SHAPE);
const clip = (value: number) => Math.min(1, Math.max(0, value));
/** Of two classes, both losses of class k rise along ± the difference of the rows. */
const rise = (label: number) => WEIGHTS[0]!.map((w, i) => (WEIGHTS[1]![i]! - w) * (label === 0 ? 1 : -1));
const expectClose = (found: Float32Array, expected: readonly number[], error = 1e-6) =>
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(error);

describe('on an affine classifier', () => {
  const labels = Int32Array.from({ length: 20 }, (_, i) => i % 2);
  const moved = (label: number, i: number, direction: (gradient: readonly number[]) => number[], epsilon: number) => {
    const step = direction(rise(label));
    return Array.from(rows(images, i, i + 1).data, (x, p) => clip(x + epsilon * step[p]!));
  };
  const signs = (gradient: readonly number[]) => gradient.map(Math.sign);
  const unit = (gradient: readonly number[]) => gradient.map((g) => g / Math.hypot(...gradient));

  it.each(['cross-entropy', 'margin'] as const)('FGSM on %s is x + ε sign(w) clipped', async (loss) => {
    const { adversarial } = await perturb(affine, fgsm({ loss }), { images, labels, epsilon: 0.1 });
    for (const [i, label] of labels.entries())
      expectClose(rows(adversarial, i, i + 1).data, moved(label, i, signs, 0.1));
  });

  it('FGSM in l2 goes along the normalised gradient', async () => {
    const { adversarial } = await perturb(affine, fgsm({ norm: 'l2' }), { images, labels, epsilon: 0.3 });
    for (const [i, label] of labels.entries())
      expectClose(rows(adversarial, i, i + 1).data, moved(label, i, unit, 0.3));
  });

  it('PGD ends at the corner of ball and box where a linear loss is largest, from any start', async () => {
    const attack = restarts(pgd({ steps: 10, loss: 'margin' }), 2);
    const { adversarial } = await perturb(affine, attack, { images, labels, epsilon: 0.2, seed: 3 });
    for (const [i, label] of labels.entries()) {
      const corner = moved(label, i, signs, 0.2);
      const found = rows(adversarial, i, i + 1).data;
      // Where the gradient is 0 the random start stays.
      expectClose(
        found,
        corner.map((value, p) => (rise(label)[p] === 0 ? found[p]! : value)),
      );
    }
  });

  it('targeted attacks go the other way', async () => {
    const options = { images, epsilon: 0.1 };
    const away = await perturb(affine, fgsm(), { ...options, labels });
    const toward = await perturb(affine, fgsm(), { ...options, labels, targets: labels.map((k) => 1 - k) });
    expect(toward.adversarial.data).toEqual(away.adversarial.data);
    expect(toward.success).toEqual(away.success);
  });
});

describe('perturb', () => {
  const labels = Int32Array.from({ length: 20 }, (_, i) => i % 4);

  it('keeps to ball and box, judges by a fresh pass, counts its work, and leaves its input as it was', () =>
    fc.assert(
      fc.asyncProperty(
        fc
          .record({
            norm: fc.constantFrom('linf' as const, 'l2' as const, 'l1' as const),
            loss: fc.constantFrom('cross-entropy' as const, 'margin' as const, 'dlr' as const),
            targeted: fc.boolean(),
            steps: fc.integer({ min: 0, max: 5 }),
            runs: fc.integer({ min: 1, max: 2 }),
            keep: fc.constantFrom('last' as const, 'worst' as const),
            randomStart: fc.boolean(),
            epsilon: fc.constantFrom(0, 8 / 255, 0.3, 2),
          })
          .filter(({ steps, randomStart }) => steps > 0 || randomStart),
        async ({ epsilon, targeted, runs, ...options }) => {
          const before = images.data.slice();
          const attack = runs > 1 ? restarts(pgd(options), runs) : pgd(options);
          const targets = targeted ? labels : undefined;
          const found = await perturb(network, attack, { images, labels, targets, epsilon, batchSize: 20 });
          expect(images.data).toEqual(before);
          expect(found.adversarial.data.every((value) => value >= 0 && value <= 1)).toBe(true);
          expect(Math.max(...found.distance)).toBeLessThanOrEqual(epsilon * (1 + 1e-6) + 1e-7);
          const predictions = await predict(network, found.adversarial, { batchSize: 20 });
          expect(found.predictions).toEqual(predictions);
          expect([...found.success]).toEqual(
            Array.from(predictions, (k, i) => Number(targeted ? k === labels[i] : k !== labels[i])),
          );
          const fgsmFirst = options.keep === 'worst';
          if (epsilon === 0) expect(found.gradients).toBe(0);
          else if (runs === 1 && !fgsmFirst) expect(found.gradients).toBe(20 * options.steps);
          // Only images that still stand are attacked again.
          else expect(found.gradients).toBeLessThanOrEqual(20 * (runs * options.steps + Number(fgsmFirst)));
          if (epsilon === 0) expect(found.adversarial.data).toEqual(images.data);
        },
      ),
      { numRuns: 40 },
    ));

  it('is stronger with more steps and with more restarts', async () => {
    const right = Int32Array.from(await predict(network, images));
    const broken = async (attack: Attack) => {
      const { success } = await perturb(network, attack, { images, labels: right, epsilon: 0.15 });
      return success.reduce((a, b) => a + b, 0);
    };
    const [weak, strong, stronger] = [
      await broken(fgsm()),
      await broken(pgd()),
      await broken(restarts(pgd({ keep: 'worst' }), 5)),
    ];
    expect(weak).toBeGreaterThan(0);
    expect(strong).toBeGreaterThanOrEqual(weak);
    expect(stronger).toBeGreaterThanOrEqual(strong);
  });

  it('goes past an infinite gradient, and refuses logits that are no numbers', async () => {
    // √(x − 0.5) has an infinite slope at 0.5 and no value below.
    const root = (g: GraphBuilder, x: Value) => g.sqrt(g.offset(x, -0.5));
    const model = modelOf([1, 1, 2], 2, (g, x) => g.rename(g.reshape(g.scale(root(g, x), -1), [1, 2]), 'logits'));
    const classifier = new Classifier(model, runtime);
    const at = (...data: number[]) => ({ shape: [1, 1, 1, 2], data: Float32Array.from(data) });
    const attack = pgd({ norm: 'l2', steps: 3, randomStart: false });
    const { adversarial } = await perturb(classifier, attack, {
      images: at(0.5, 0.9),
      labels: [0],
      targets: [1],
      epsilon: 0.01,
    });
    expect([...adversarial.data].every((value) => value >= 0 && value <= 1)).toBe(true);
    const lost = perturb(classifier, pgd({ norm: 'l2', steps: 3, randomStart: false }), {
      images: at(0.5, 0.9),
      labels: [0],
      epsilon: 0.6,
      imageNumbers: [42],
    });
    await expect(lost).rejects.toThrow("'small' gives the logit NaN for image 42: no prediction can be read from that");
  });

  it('at each of several radii gives what it gives at one, and takes a radius for each image', async () => {
    const epsilons = [0, 0.1, 0.3];
    const all = await perturb(network, pgd({ steps: 3 }), { images, labels, epsilons });
    const single = await Promise.all(
      epsilons.map((epsilon) => perturb(network, pgd({ steps: 3 }), { images, labels, epsilon })),
    );
    expect(all).toEqual(single);
    const epsilon = Array.from(labels, (_, i) => epsilons[i % 3]!);
    const each = await perturb(network, pgd({ steps: 3 }), { images, labels, epsilon });
    for (let i = 0; i < 20; i++)
      expect(rows(each.adversarial, i, i + 1).data).toEqual(rows(single[i % 3]!.adversarial, i, i + 1).data);
  });

  it('searches on a surrogate and judges on the model itself', async () => {
    const images = noiseImages(20, SHAPE);
    const two = labels.map((k) => k % 2);
    const { adversarial } = await perturb(affine, fgsm(), { images, labels: two, epsilon: 0.2 });
    const other = new Classifier(
      networkModel({ inputShape: SHAPE, classes: 2, activation: 'Relu', bias: true }),
      runtime,
    );
    const transferred = await perturb(other, fgsm(), { images, labels: two, epsilon: 0.2, surrogate: affine });
    expect(transferred.adversarial.data).toEqual(adversarial.data);
    expect(transferred.predictions).toEqual(await predict(other, adversarial));
  });

  it('says which adversarial images survive rounding to 8 bits', async () => {
    // A step far below 1/255 past the border is lost.
    const labels = Int32Array.from(await predict(affine, images));
    const { success, survivesRounding, adversarial } = await perturb(affine, pgd(), { images, labels, epsilon: 0.4 });
    const rounded = { ...adversarial, data: adversarial.data.map((x) => Math.round(x * 255) / 255) };
    const after = await predict(affine, rounded);
    expect([...survivesRounding]).toEqual(Array.from(after, (k, i) => Number(success[i] === 1 && k !== labels[i])));
  });

  it.each([
    [
      'pixels outside [0, 1], even at ε = 0',
      { epsilon: 0, images: { ...images, data: images.data.map((x) => x + 1) } },
      expect.stringMatching(/attacks work on pixels in \[0, 1\]/),
    ],
    ['ε below 0', { epsilon: -1 }, 'epsilon must be 0 or more, not -1'],
    ['labels that are too few, even at ε = 0', { epsilon: 0, labels: [0] }, '20 images were given with 1 labels'],
    [
      'a class that is not there',
      { epsilon: 0, labels: labels.map((k) => k + 1) },
      "class 4 is out of range: 'small' has classes 0 to 3",
    ],
  ])('refuses %s', async (_, over, message) => {
    const refusal = await perturb(network, fgsm(), { images, labels, ...over }).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toEqual(message);
  });
});

it('an attack that leaves the box is told off, not returned', async () => {
  const classifier = new Classifier(networkModel({ ...COLOUR, classes: 2, activation: 'Relu', bias: true }), runtime);
  const broken: Attack = { ...jpeg(), steps: 1, stepSize: { absolute: Number.NaN } };
  const refusal = await perturb(classifier, broken, {
    images: noiseImages(1, COLOUR.inputShape),
    labels: [0],
    epsilon: 1,
    imageNumbers: [17],
  }).catch((error) => error);
  expect(refusal).toBeInstanceOf(TypeError);
  expect(refusal.message).toMatch(/^a fault of the attack 'jpeg': it gave image 17 the value NaN, outside \[0, 1\]/);
});

const COLOUR = { inputShape: [3, 16, 16] };

it('names the image whose logits are no numbers once it is rounded to 8 bits', async () => {
  // 0 · log(1 − x) is 0 but at x = 1, where rounding leads.
  const brittle = modelOf([1, 1, 1], 2, (g, x) => {
    const flat = g.reshape(x, [1, 1]);
    const hole = g.mul(g.constant(0), g.log(g.sub(g.constant(1), flat)));
    return g.rename(g.concat([g.scale(flat, 0), g.add(g.offset(flat, -0.9), hole)], 1), 'logits');
  });
  const options = { images: { shape: [1, 1, 1, 1], data: Float32Array.of(0.5) }, labels: [0], epsilon: 0.499 };
  const classifier = new Classifier(brittle, runtime);
  await expect(perturb(classifier, fgsm(), { ...options, imageNumbers: [17] })).rejects.toThrow(/for image 17:/);
});

describe('a surrogate', () => {
  const named = (classes: readonly string[], rows: readonly (readonly number[])[] = WEIGHTS) =>
    new Classifier({ ...affineModel(SHAPE, rows), classes }, runtime);
  const attack = (surrogate: Classifier) =>
    perturb(named(['cat', 'dog']), fgsm(), { images, labels: new Int32Array(20), epsilon: 0.1, surrogate });

  it('may call its classes what it likes', async () => {
    expect((await attack(named(['cat', 'dog']))).success.length).toBe(20);
    expect((await attack(named(['0', '1']))).success.length).toBe(20);
  });

  it.each([
    ['the same classes in another order', ['dog', 'cat'], WEIGHTS, /has the classes of 'small' in another order/],
    ['another number of classes', ['cat', 'dog', 'cow'], [...WEIGHTS, WEIGHTS[0]!], /has 3 classes, 'small' 2/],
  ])('is refused with %s', async (_, classes, weights, message) => {
    const refusal = await attack(named(classes, weights)).catch((error) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(refusal.message).toMatch(message);
  });
});

it('steps are a share of ε unless a length is given', () => {
  expect(stepSizeAt(pgd({ steps: 10 }), 0.4)).toBeCloseTo(0.1, 12);
  expect(stepSizeAt(pgd({ stepSize: 0.01 }), 0.4)).toBe(0.01);
  expect(JSON.parse(JSON.stringify(pgd()))).toEqual(pgd());
});
