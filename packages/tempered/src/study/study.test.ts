import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { perturb } from '../attacks/attack.ts';
import { type Dataset, fromArrays } from '../data/dataset.ts';
import { encodePng } from '../image/node/encode.ts';
import { renderImage } from '../image/render.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel, networkModel } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { dataUri } from '../report/data-uri.ts';
import { openRun } from '../runs/run.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type StudyConfiguration, studyConfiguration } from './configuration.ts';
import type { StudyContext } from './context.ts';
import { measureModel, studyAttack } from './measures.ts';
import { makeExamples } from './pictures.ts';
import { protocolOf } from './protocol.ts';

const SHAPE = [1, 6, 6] as const;
const configuration: StudyConfiguration = {
  ...studyConfiguration('mnist', 'quick'),
  samples: 3,
  pathSteps: 3,
  evaluationSteps: 3,
  epsilonFactors: [0, 1],
};

let folder: string;
let runtime: Runtime;
let context: StudyContext;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-study-'));
  runtime = await createNodeRuntime({ threads: 1 });
  const manifest = { command: 'study', configuration: {}, seeds: {}, versions: {}, device: 'test', dataHashes: {} };
  context = { run: await openRun(folder, { manifest }), runtime, configuration };
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true });
});

/** Noise, with an object in the upper half. */
function noise(count: number): Dataset {
  const random = createRandom(3, 'study');
  return fromArrays({
    name: 'noise',
    split: 'test',
    classes: ['class 0', 'class 1', 'class 2'],
    imageShape: SHAPE,
    pixels: Float32Array.from({ length: count * 36 }, () => random.uniform()),
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
    masks: Uint8Array.from({ length: count * 36 }, (_, i) => Number(i % 36 < 18)),
  });
}

it('measures a model whose maps are all zero: no mass inside, no hit, nothing to be complete about', async () => {
  const blind = new Classifier(
    affineModel(
      SHAPE,
      [0, 1, 2].map(() => new Array<number>(36).fill(0)),
    ),
    runtime,
  );
  const trained = { classifier: blind, history: [], parameterCount: 0, bestEpoch: 1, heldCount: 0 };
  const { attributions, completenessError } = await measureModel(context, 'standard', trained, { test: noise(4) });
  expect(completenessError).toBeUndefined();
  expect(attributions).toHaveLength(3);
  for (const { relevanceMass, pointingGame } of attributions) {
    expect(relevanceMass!.mean).toBe(0);
    expect(pointingGame!.hits).toBe(0);
  }
});

it('states the completeness error of all images together', async () => {
  // The first logit is linear, and the second image lies on the baseline: its quotient alone would be 0 / 0.
  const linear = new Classifier(
    affineModel(
      SHAPE,
      [0, 1, 2].map((k) => new Array<number>(36).fill(k + 1)),
    ),
    runtime,
  );
  const test = fromArrays({
    name: 'two',
    split: 'test',
    classes: ['class 0', 'class 1', 'class 2'],
    imageShape: SHAPE,
    pixels: Float32Array.from({ length: 72 }, (_, i) => (i < 36 ? 0.5 : 0)),
    labels: Int32Array.of(0, 1),
  });
  const trained = { classifier: linear, history: [], parameterCount: 0, bestEpoch: 1, heldCount: 0 };
  const { completenessError } = await measureModel(context, 'robust', trained, { test });
  expect(completenessError!.steps).toBe(3);
  expect(completenessError!.relative).toBeLessThan(1e-5);
});

it('shows the adversarial examples that its tables count', async () => {
  const network = new Classifier(
    networkModel({ inputShape: SHAPE, classes: 3, activation: 'Tanh', bias: true }),
    runtime,
  );
  const test = noise(8);
  const [example] = await makeExamples(context, { standard: network, robust: network }, test, [5]);
  const all = test.batch([0, 1, 2, 3, 4, 5, 6, 7]);
  const { adversarial } = await perturb(network, studyAttack(configuration), {
    ...all,
    epsilon: configuration.trainingEpsilon,
    seed: configuration.seed,
  });
  const counted = dataUri(await encodePng(renderImage(adversarial, { index: 5 })), 'image/png');
  expect(example!.models.standard.adversarial.picture).toEqual(counted);
  expect(await readFile(context.run.path('images', 'example-1.png'))).not.toHaveLength(0);
});

it('the protocol tells what was done, not what was asked for', () => {
  const text = protocolOf(configuration, {
    radius: 'ℓ∞ ε = 0.2',
    heldCount: 31,
    bestEpochs: { standard: 2, robust: 3 },
    attackedCount: 41,
    explainedCount: 43,
    masked: true,
  })
    .map(({ name, value }) => `${name}: ${value}`)
    .join('\n');
  expect(text).toMatch(/best of the epochs on 31 held-out training images/);
  expect(text).toMatch(/first 41 test images in file order/);
  expect(text).toMatch(/first 43 test images; .*a map of zeros has no mass inside and misses/);
  expect(text).toMatch(/batch normalisation, where there is any, by its running statistics/);
  expect(text).not.toMatch(/\b(200|500)\b/);
});
