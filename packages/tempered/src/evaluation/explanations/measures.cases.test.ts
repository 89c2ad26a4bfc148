/** Scores that captum and Quantus state, where their definition is one of ours. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute } from '../../attribution/attribute.ts';
import { plainGradient } from '../../attribution/gradient.ts';
import {
  type Case,
  cases,
  expectWithin,
  FILE,
  flatten,
  joined,
  modelFrom,
  type Nested,
  present,
} from '../../attribution/testing/cases.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { rows, type Tensor } from '../../tensor.ts';
import { foretold, infidelities } from './infidelity.ts';
import {
  localizationAuc,
  localizationAucKind,
  relevanceMass,
  relevanceMassKind,
  topKIntersection,
  topKIntersectionKind,
} from './localization.ts';
import { largestChange } from './max-sensitivity.ts';
import { taskOf } from './testing/task.ts';

const of = (method: string) => cases.filter((given) => given.method === method);

interface InfidelityCase extends Case {
  params: Case['params'] & {
    attributionValues?: { x: Nested };
    perturbationMasks?: Nested;
    n_perturb_samples?: number;
  };
}

/** Captum's masks say how much of the way to the baseline is taken; each attribution is that of a value, whole. */
async function infidelityOf(
  classifier: Classifier,
  given: { x: Tensor; x0: Tensor; map: Tensor; masks: number[][]; target: number },
) {
  const { x, x0, map, masks, target } = given;
  const task = {
    ...{ classifier, images: x, attributions: map, batchSize: 2, scale: 'global' as const },
    targets: Int32Array.of(target),
  };
  const pairs = await foretold(
    task,
    { samples: masks.length, of: 'logit' },
    {
      key: `captum ${x0.data.join()}`,
      shape: [x.shape[1]!],
      draw: (into, _, sample) => into.set(masks[sample]!),
      write: (g, drawn, value) => ({
        change: g.mul(drawn, g.sub(value, g.constant([...x0.data], x0.shape))),
        share: drawn,
      }),
    },
  );
  return infidelities(pairs, { scaling: 'none', relative: false })[0]!;
}

/** A layer that adds a number of its own to each example is part of the input: a run may hold any examples. */
function withoutAddition(given: InfidelityCase): { given: InfidelityCase; shift: number[] } {
  const layers = given.model.layers;
  const [first] = layers;
  const constant = first?.op === 'Add' ? first.in.find((input) => typeof input !== 'string') : undefined;
  if (constant === undefined) return { given, shift: [] };
  const rest = layers
    .slice(1)
    .map((layer) => ({ ...layer, in: layer.in.map((name) => (name === first!.name ? 'x' : name)) }));
  return {
    given: { ...given, model: { ...given.model, layers: rest } },
    shift: flatten((constant as { const: Nested }).const),
  };
}

describe.skipIf(!present)(`published scores of explanations (skipped where ${FILE} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it.each(of('Infidelity').map((each) => [each.id, each as InfidelityCase] as const))('%s', async (_, original) => {
    const { given, shift } = withoutAddition(original);
    const classifier = new Classifier(modelFrom(given), runtime);
    const images = joined(given.input, ['x']);
    const [count, size] = images.shape as [number, number];
    const shifted = (tensor: Tensor): Tensor => ({
      ...tensor,
      data: tensor.data.map((value, i) => value + (shift[i] ?? 0)),
    });
    const baseline = given.baseline
      ? joined(given.baseline, ['x'])
      : { ...images, data: new Float32Array(images.data.length) };
    // In the linear region of the two other networks every complete attribution is x times the slope.
    const values = given.params.attributionValues;
    const maps = values ? joined(values, ['x']) : undefined;
    const targets = [given.target ?? 0].flat();
    const masks = (given.params.perturbationMasks as number[][] | undefined) ?? [Array<number>(size).fill(1)];
    const found: number[] = [];
    for (let n = 0; n < count; n++) {
      const [x, x0] = [shifted(images), shifted(baseline)].map((tensor) => rows(tensor, n, n + 1)) as [Tensor, Tensor];
      const target = targets[n] ?? targets[0]!;
      const slope = maps
        ? undefined
        : (await attribute(classifier, { images: x, method: plainGradient(), target })).attributions;
      const map = maps ? rows(maps, n, n + 1) : { ...x, data: x.data.map((value, i) => value * slope!.data[i]!) };
      found.push(await infidelityOf(classifier, { x, x0, map, masks, target }));
    }
    expectWithin(Float32Array.from(found), Float32Array.from(flatten(given.expected.infidelity!)), given.tolerance);
  });

  it.each(of('SensitivityMax').map((each) => [each.id, each] as const))('%s', async (_, given) => {
    const classifier = new Classifier(modelFrom(given), runtime);
    const x = joined(given.input, ['x']);
    const explain = async (images: Tensor) =>
      (await attribute(classifier, { images, method: plainGradient(), target: given.target as number })).attributions;
    const perturbations = (given.params as { perturbations: number[][] }).perturbations;
    const perturbed = perturbations.map((by) => ({ shape: x.shape, data: x.data.map((value, i) => value + by[i]!) }));
    const found = await largestChange({ attributions: await explain(x), explain }, perturbed);
    // The tolerance of the case is that of double precision; slopes of this size have an error of 1e-7 in single.
    expect(Math.abs(found[0]! - flatten(given.expected.sensitivity!)[0]!)).toBeLessThan(1e-5);
  });

  interface LocalizationCase {
    id: string;
    method: string;
    input: {
      shape: number[];
      segmentationBox: [number, number][];
      attributionBox: [number, number][];
      attributionValueInside: number;
      background: number | string;
    };
    params: { k?: number };
    expected: { score: number };
  }

  const boxes = cases.filter(({ method }) => method.startsWith('Localisation.')) as object[] as LocalizationCase[];
  const inBox = (box: readonly [number, number][], shape: readonly number[], p: number) => {
    const place = shape.length === 1 ? [p] : [Math.floor(p / shape[1]!), p % shape[1]!];
    return box.every(([from, to], axis) => place[axis]! >= from && place[axis]! < to);
  };

  it.each(boxes.map((each) => [each.id, each] as const))('%s', async (_, { method, input, params, expected }) => {
    const { shape, segmentationBox, attributionBox, attributionValueInside, background } = input;
    const size = shape.reduce((a, b) => a * b, 1);
    const [height, width] = shape.length === 1 ? [1, size] : (shape as [number, number]);
    const random = createRandom(3, 'background');
    const map = (value: (p: number) => number) => ({
      shape: [1, 1, height!, width!],
      data: Float32Array.from({ length: size }, (_, p) => value(p)),
    });
    const beside = () => (typeof background === 'number' ? background : 0.1 * random.uniform());
    const attributions = map((p) => (inBox(attributionBox, shape, p) ? attributionValueInside : beside()));
    const masks = map((p) => Number(inBox(segmentationBox, shape, p)));
    const task = taskOf(
      new Classifier(
        affineModel(
          [2],
          [
            [1, 0],
            [0, 1],
          ],
        ),
        runtime,
      ),
      attributions,
      attributions,
      { masks },
    );
    const scores: Record<string, () => Promise<Float64Array>> = {
      'Localisation.RelevanceMassAccuracy': () => relevanceMassKind.score(task, relevanceMass()),
      'Localisation.TopKIntersection': () => topKIntersectionKind.score(task, topKIntersection(params)),
      'Localisation.AUC': () => localizationAucKind.score(task, localizationAuc()),
    };
    expect((await scores[method]!())[0]).toBeCloseTo(expected.score, 6);
  });

  it('has cases to check', () => {
    expect([of('Infidelity').length, of('SensitivityMax').length, boxes.length]).toEqual([3, 1, 3]);
  });
});
