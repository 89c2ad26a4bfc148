import type { GraphBuilder } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perturb } from '../attacks/attack.ts';
import { deepFool } from '../attacks/deep-fool.ts';
import { mapsAt } from '../attacks/explanations/map-attack.ts';
import type { MapKind } from '../attacks/explanations/maps.ts';
import { pgd } from '../attacks/pgd.ts';
import { fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { createModel } from '../models/architectures/index.ts';
import { Classifier } from '../models/classifier.ts';
import { predict, predictLogits, softmaxRows } from '../models/predict.ts';
import { modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, type Tensor } from '../tensor.ts';
import { boundTightness } from './bound-tightness.ts';
import { interpretationDiscrepancy } from './interpretation-discrepancy.ts';
import { minimalDistances } from './minimal-distances.ts';

const SHAPE = [1, 12, 12];
const CLASSES = ['a', 'b', 'c', 'd'];
const COUNT = 6;
const images = noiseImages(COUNT, SHAPE);

let runtime: Runtime;
let network: Classifier;
let labels: Int32Array;
let adversarial: Tensor;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const model = createModel({
    architecture: 'gap-small',
    inputShape: [1, 12, 12],
    classes: CLASSES,
    seed: 3,
  });
  network = new Classifier(model, runtime);
  labels = await predict(network, images);
  ({ adversarial } = await perturb(network, pgd({ steps: 5, loss: 'margin' }), { images, labels, epsilon: 0.2 }));
});
afterAll(() => runtime.close());

/** The four definitions from the maps of each class. */
async function byHand(map: MapKind, perPosition: boolean) {
  const natural = await predictLogits(network, images);
  const perturbed = await predictLogits(network, adversarial);
  const p = softmaxRows(perturbed);
  const moved: number[][] = [];
  for (const k of CLASSES.keys()) {
    const [before, after] = [
      await mapsAt(network, map, { images, labels: new Int32Array(COUNT).fill(k) }),
      await mapsAt(network, map, { images: adversarial, labels: new Int32Array(COUNT).fill(k) }),
    ];
    const positions = before.shape[1]!;
    moved.push(
      Array.from({ length: COUNT }, (_, i) => {
        const [a, b] = [rows(before, i, i + 1).data, rows(after, i, i + 1).data];
        const sum = a.reduce((total, value, at) => total + Math.abs(value - b[at]!), 0);
        return perPosition ? sum / positions : sum;
      }),
    );
  }
  const other = await predict(network, adversarial);
  return Array.from({ length: COUNT }, (_, i) => {
    const [y, rival] = [labels[i]!, other[i]!];
    const logit = (k: number) => natural.data[i * CLASSES.length + k]!;
    const rest = CLASSES.map((_, k) => (k === y ? 0 : p.data[i * CLASSES.length + k]! * moved[k]![i]!));
    return {
      oneClass: moved[y]![i]!,
      twoClass: 0.5 * (moved[y]![i]! + moved[rival]![i]!),
      allClasses: 0.5 * (moved[y]![i]! + rest.reduce((a, b) => a + b, 0)),
      bound: 0.5 * (logit(y) - logit(rival)),
    };
  });
}

describe('discrepancies', () => {
  it.each<[string, MapKind, boolean]>([
    ['class activation maps', 'cam', true],
    ['CAM++', 'cam++', true],
    ['representations', 'representation', true],
    ['integrated gradients', { name: 'integrated-gradients', steps: 4 }, false],
  ])('are their definitions: %s', async (_, map, perPosition) => {
    const options = { images, adversarial, labels, map };
    const found = await interpretationDiscrepancy(network, options);
    for (const [i, expected] of (await byHand(map, perPosition)).entries())
      for (const name of ['oneClass', 'twoClass', 'allClasses', 'bound'] as const)
        expect(found[name][i]).toBeCloseTo(expected[name], 5);
    const parts = await interpretationDiscrepancy(network, { ...options, batchSize: 4 });
    for (const [i, value] of found.twoClass.entries()) expect(parts.twoClass[i]).toBeCloseTo(value, 5);
    expect(parts.predictions).toEqual(found.predictions);
  });

  it('keep proposition 1 for class activation maps, whatever was added to the image', async () => {
    const { bound, predictions } = await interpretationDiscrepancy(network, { images, adversarial, labels });
    expect(predictions.some((other, i) => other !== labels[i])).toBe(true);
    expect(bound.some((value) => value > 0)).toBe(true);
    for (let seed = 0; seed < 5; seed++) {
      const noise = noiseImages(COUNT, SHAPE, 10 + seed);
      // From labels that are wrong, too.
      const given = labels.map((label) => (label + seed) % CLASSES.length);
      const { violations } = await interpretationDiscrepancy(network, { images, adversarial: noise, labels: given });
      expect(violations).toEqual([]);
    }
  });

  it('are 0 between equal images', async () => {
    const found = await interpretationDiscrepancy(network, { images, adversarial: images, labels });
    for (const name of ['oneClass', 'twoClass', 'allClasses', 'bound'] as const)
      expect([...found[name]]).toEqual(new Array(COUNT).fill(0));
  });

  it('tell of maps that break the bound: of CAM++ without a positive weight nothing is left', async () => {
    const parameter = (g: GraphBuilder, name: string, shape: readonly number[], values: readonly number[]) =>
      g.parameter(name, { dtype: 'float32', shape, data: Float32Array.from(values) });
    const model = modelOf([1, 2, 2], 2, (g, x) => {
      const features = g.op('Conv', [x, parameter(g, 'conv', [2, 1, 1, 1], [1, -1])], { kernel_shape: [1, 1] });
      const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [features])], { axis: 1 });
      return g.rename(g.op('Gemm', [pooled, parameter(g, 'head', [2, 2], [-1, -3, -2, -1])]), 'logits');
    });
    const given = {
      // The first logit is the mean, the second minus twice the mean.
      images: { shape: [1, 1, 2, 2], data: Float32Array.of(1, 1, 1, 1) },
      adversarial: { shape: [1, 1, 2, 2], data: Float32Array.of(-1, -1, -1, -1) },
      labels: [0],
    };
    const classifier = new Classifier(model, runtime);
    const { violations, bound, twoClass } = await interpretationDiscrepancy(classifier, { ...given, map: 'cam++' });
    expect([violations, bound[0], twoClass[0]]).toEqual([[0], 1.5, 0]);
    const cam = await interpretationDiscrepancy(classifier, given);
    expect([cam.violations, cam.bound[0], cam.twoClass[0]]).toEqual([[], 1.5, 3]);
  });

  it('are refused between different numbers of images', async () => {
    const refusal = await interpretationDiscrepancy(network, {
      images,
      adversarial: rows(images, 0, 2),
      labels,
    }).catch((error) => error);
    expect(refusal).toEqual(new UsageError('6 images were given with 2 adversarial ones'));
  });
});

describe('bound tightness', () => {
  const dataset = () =>
    fromArrays({
      name: 'noise',
      split: 'test',
      classes: CLASSES,
      imageShape: SHAPE as [number, number, number],
      pixels: images.data,
      // The first image is wrong without any attack.
      labels: Array.from(labels, (label, i) => (i === 0 ? (label + 1) % CLASSES.length : label)),
    });

  it('is measured at the smallest perturbations, and no point is below its bound', async () => {
    const found = await boundTightness(network, { dataset: dataset() });
    expect([found.count, found.attacked, found.violations]).toEqual([COUNT, COUNT - 1, []]);
    expect(found.points.length).toBeGreaterThan(2);
    for (const { image, bound, twoClass, distance, oneClass } of found.points) {
      expect(image).toBeGreaterThan(0);
      expect(bound).toBeGreaterThan(0);
      expect(twoClass).toBeGreaterThanOrEqual(bound * (1 - 1e-4));
      expect(oneClass).toBeGreaterThan(0);
      expect(distance).toBeGreaterThan(0);
    }
    const ratios = found.points.map(({ bound, twoClass }) => bound / twoClass);
    expect(found.tightness!.mean).toBeCloseTo(ratios.reduce((a, b) => a + b, 0) / ratios.length, 12);
    expect(found.tightness!.mean).toBeLessThanOrEqual(1);
    expect(Math.abs(found.correlation)).toBeLessThanOrEqual(1);
  });

  it('takes other minimal attacks, and none inside a ball', async () => {
    const attack = deepFool({ norm: 'linf' });
    const { points } = await boundTightness(network, { dataset: dataset(), attack });
    const { distances } = await minimalDistances(network, { dataset: dataset(), attack });
    expect(points.map(({ image, distance }) => [image, distance])).toEqual(
      distances.flatMap((distance, i) => (distance > 0 && distance < Infinity ? [[i, distance]] : [])),
    );
    await expect(boundTightness(network, { dataset: dataset(), attack: pgd() })).rejects.toThrow(
      /^'pgd' searches inside a given ball: for bound tightness wrap it in minimalEpsilon$/,
    );
  });
});
