import { copyFile, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, fromArrays } from '../../data/dataset.ts';
import { parseNpz } from '../../data/npy.ts';
import { UsageError } from '../../errors.ts';
import { countAt, replacedIn } from '../../evaluation/roar/bands.ts';
import { occlusionScore } from '../../evaluation/roar/scores.ts';
import { createRandom } from '../../random.ts';
import type { RoarResult } from '../../report/roar-result.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { claimsOf } from './claims.ts';
import { type RoarConfiguration, roarConfiguration } from './configuration.ts';
import { inParallel } from './in-parallel.ts';
import { methodOf, modelPlans } from './models.ts';
import { nameOf, retrainings } from './retraining.ts';
import { runRoarStudy } from './roar.ts';

const AREA = 64;

/** Noise, brighter in one of three corners. */
function corners(split: string, count: number): Dataset {
  const random = createRandom(5, split);
  const bright = (label: number, p: number) => Number([0, 7, 56][label]! % 8 === p % 8 && p >> 3 === [0, 0, 7][label]);
  return fromArrays({
    name: 'corners',
    split,
    classes: ['a', 'b', 'c'],
    imageShape: [1, 8, 8],
    pixels: Uint8Array.from({ length: count * AREA }, (_, i) =>
      Math.min(255, 120 * random.uniform() + 200 * bright(Math.floor(i / AREA) % 3, i % AREA)),
    ),
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
  });
}

const base = roarConfiguration('shapes', 3);
const configuration: RoarConfiguration = {
  ...base,
  strengths: { l2: [], linf: [0.1] },
  modelEpochs: 1,
  adversarial: { ...base.adversarial, steps: 2 },
  training: { ...base.training, epochs: 1, batchSize: 10 },
  evaluation: { ...base.evaluation, steps: 2 },
  percentiles: [45],
  repeats: 1,
  seeds: 2,
  sampleCount: 2,
};
const sets = { train: corners('train', 40), test: corners('test', 30) };

let folder: string;
let runtimes: Runtime[];
let whole: RoarResult;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-roar-'));
  runtimes = [await createNodeRuntime({ threads: 1 }), await createNodeRuntime({ threads: 1 })];
  whole = (await runRoarStudy({ runtimes, configuration, folder: join(folder, 'whole'), sets })).result;
}, 60_000);
afterAll(async () => {
  await Promise.all(runtimes.map((runtime) => runtime.close()));
  await rm(folder, { recursive: true });
});

it('goes on where it was stopped, on another number of engines, and ends with the same bytes', async () => {
  const cut = join(folder, 'cut');
  const stop = new AbortController();
  const onProgress = ({ stage, done }: { stage: string; done: number }) => {
    if (stage === 'retrain' && done === 7) stop.abort();
  };
  const options = { runtimes: runtimes.slice(1), configuration, folder: cut, sets };
  await expect(runRoarStudy({ ...options, signal: stop.signal, onProgress })).rejects.toThrow(/abort/i);
  const written = (await readdir(join(cut, 'steps'))).filter((name) => /^(published|repaired)/.test(name));
  expect(written).toHaveLength(7);
  const times = () => Promise.all(written.map(async (name) => (await stat(join(cut, 'steps', name))).mtimeMs));
  const before = await times();
  await runRoarStudy(options);
  expect(await times()).toEqual(before);
  for (const file of ['roar.json', 'report.html', 'tables/accuracies.csv', 'models/linf-xent-1.onnx'])
    expect(Buffer.compare(await readFile(join(cut, file)), await readFile(join(folder, 'whole', file)))).toBe(0);
});

describe('a finished study that was meddled with', () => {
  const again = () => runRoarStudy({ runtimes, configuration, folder: join(folder, 'whole'), sets });
  const file = (...parts: string[]) => join(folder, 'whole', ...parts);

  it('draws a picture again that is gone', async () => {
    const picture = file('images', 'sample-2-linf-xent-1-map.png');
    const before = await readFile(picture);
    await rm(picture);
    await again();
    expect(Buffer.compare(await readFile(picture), before)).toBe(0);
    const { mtimeMs } = await stat(picture);
    await again();
    expect((await stat(picture)).mtimeMs).toBe(mtimeMs);
  });

  it.each([
    [join('models', 'linf-xent-1.onnx'), join('models', 'standard.onnx'), 'is not the model that this run trained'],
    [join('bands', 'standard-saliency-repaired.npz'), 'manifest.json', 'delete it to compute them again'],
  ])('refuses another %s, and makes it again where it is deleted', async (name, other, message) => {
    // Archives hold the time at which they were written.
    const content = async () => {
      const bytes = await readFile(file(name));
      return name.endsWith('.npz') ? parseNpz(bytes) : bytes;
    };
    const before = await content();
    await copyFile(file(other), file(name));
    // A record that asks for the bands.
    await rm(file('steps', 'repaired-roar-standard-saliency-p45-1.json'));
    await expect(again()).rejects.toThrow(message);
    await rm(file(name));
    await again();
    expect(await content()).toEqual(before);
  });
});

describe('what it finds', () => {
  it('scores what the networks reached', () => {
    for (const { name, accuracies, scores, repetitions } of whole.protocols) {
      expect(repetitions).toBe(name === 'published' ? 1 : 2);
      expect(accuracies).toHaveLength(2 * (1 + 2 * 2));
      expect(scores).toHaveLength(2 * 2 * 2);
      for (const { mode, method, model, mean, lower, upper, byRepetition } of scores) {
        const of = (chooser: string, whose: string) =>
          accuracies.find((each) => each.mode === mode && each.method === chooser && each.model === whose)!.values;
        const expected = byRepetition.map((_, i) =>
          occlusionScore(mode, {
            percentiles: [45],
            attribution: [of(method, model)[i]!],
            random: [of('random', 'standard')[i]!],
          }),
        );
        expect(byRepetition).toEqual(expected);
        expect(mean).toBeCloseTo(expected.reduce((a, b) => a + b, 0) / repetitions, 12);
        // Two seeds are too few for a band.
        expect([lower, upper]).toEqual([undefined, undefined]);
      }
    }
  });

  it('measures both ends in the repaired protocol only', () => {
    const [published, repaired] = whole.protocols;
    expect(published!.unoccluded).toEqual([whole.models[0]!.testAccuracy]);
    expect(published!.chance).toEqual([1 / 3]);
    expect(repaired!.unoccluded).toHaveLength(2);
    // All images are the same: one class is right, whichever.
    expect(repaired!.chance).toEqual([1 / 3, 1 / 3]);
  });

  it('keeps exactly the pixels that it should, of every image of both splits', async () => {
    const files = (await readdir(join(folder, 'whole', 'bands'))).filter((name) => name.includes('repaired'));
    expect(files).toHaveLength(2 * 2 + 1);
    for (const file of files) {
      const arrays = parseNpz(await readFile(join(folder, 'whole', 'bands', file)));
      for (const split of ['train', 'test'] as const) {
        const bands = arrays.get(split)!.data as Uint8Array;
        expect(bands).toHaveLength(sets[split].count * AREA);
        const removed = replacedIn(bands, 'roar', 0);
        for (let i = 0; i < removed.length; i += AREA)
          expect(removed.subarray(i, i + AREA).reduce((a, b) => a + b)).toBe(countAt(45, AREA));
      }
    }
  });

  it('is told in a page that needs nothing beside it, and in figures of 6 by 4 inches', async () => {
    const page = await readFile(join(folder, 'whole', 'report.html'), 'utf8');
    expect(page).not.toMatch(/<script|src="http|undefined|NaN/);
    expect(page).toContain('R000-c');
    expect(page).toContain('0.9505 / 0.9351');
    const figures = await readdir(join(folder, 'whole', 'figures'));
    expect(figures).toHaveLength(2 * 2 * 4);
    const svg = await readFile(join(folder, 'whole', 'figures', figures[0]!), 'utf8');
    expect(svg).toMatch(/published protocol.*loss: cross-entropy/s);
    expect(svg).toMatch(/^<svg xmlns="[^"]+" width="6in" height="4in"[^>]* viewBox="0 0 576 384"/);
  });
});

describe('claims', () => {
  it('are not measured by two models', () => {
    expect(whole.protocols.flatMap(({ series }) => series.filter(({ pearson }) => pearson !== null))).toEqual([]);
    expect(whole.claims.map(({ outcome }) => outcome)).toEqual(new Array(4).fill('not measured'));
  });

  it('say which correlations chance explains', () => {
    const protocol = whole.protocols[0]!;
    const foundWith = (pearson: number, models: string[]) =>
      claimsOf({ ...protocol, series: protocol.series.map((each) => ({ ...each, pearson, models })) }, 'xent').map(
        ({ found }) => found,
      );
    const models = ['standard', 'linf-xent-1', 'a', 'b', 'c'];
    // The critical value of 5 pairs is 0.878.
    for (const found of foundWith(0.87, models)) expect(found).toContain('(within chance for 5 models)');
    for (const found of foundWith(-0.89, models)) expect(found).not.toContain('chance');
  });

  it('fall as the correlations do', () => {
    const of = (strength: number, accuracy: number, gap: number) => {
      const protocol = whole.protocols[0]!;
      const series = protocol.series.map((each) => ({
        ...each,
        pearson: each.against === 'strength' ? strength : accuracy,
      }));
      const scores = protocol.scores.map((each) => ({ ...each, mean: each.method === 'saliency' ? 0 : gap }));
      return claimsOf({ ...protocol, series, scores }, 'xent').map(({ outcome }) => outcome);
    };
    expect(of(0.95, -0.95, 0.1)).toEqual(['holds', 'holds']);
    expect(of(0.95, -0.85, -0.1)).toEqual(['holds in part', 'does not hold']);
    expect(of(0.85, 0.95, -0.1)).toEqual(['does not hold', 'does not hold']);
  });
});

describe('the plan', () => {
  it('of CIFAR-10 is that of the study: 81 models and 7,290 trainings, less random masks that no score looks at', () => {
    const cifar = { ...roarConfiguration('cifar10'), protocols: ['published'] as const };
    expect(modelPlans(cifar)).toHaveLength(81);
    const all = retrainings(cifar);
    expect(all).toHaveLength(7290 - 80 * 2 * 5 * 3);
    expect(new Set(all.map(nameOf)).size).toBe(all.length);
  });

  it('trains against the losses of the study', () => {
    const cifar = roarConfiguration('cifar10');
    const [standard, ...others] = modelPlans(cifar);
    expect(methodOf(standard!, cifar).inner).toBeUndefined();
    const cw = others.find(({ name }) => name === 'linf-cw-20')!;
    expect(methodOf(cw, cifar).inner).toMatchObject({
      // 0.04 and 0.02 on the study's scale of [−1, 1].
      epsilon: 0.02,
      attack: { norm: 'linf', steps: 40, stepSize: { absolute: 0.01 }, randomStart: false },
      objective: [{ name: 'margin', confidence: 500, rival: 'other or 0' }],
    });
  });

  it.each([
    [{ percentiles: [30, 10] }, /percentiles/],
    [{ strengths: { l2: [1, 0.5], linf: [] } }, /strengths of l2/],
    [{ methods: [] }, /methods/],
    [{ strengths: { l2: [], linf: [] } }, /strengths of l2 or of linf/],
  ])('refuses %j', async (settings, message) => {
    const study = runRoarStudy({ runtimes, configuration: { ...configuration, ...settings }, folder, sets });
    await expect(study).rejects.toThrow(UsageError);
    await expect(study).rejects.toThrow(message);
  });
});

it('gives results in the order of the items, and stops at the first that fails', async () => {
  const begun: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    await new Promise((resolve) => setTimeout(resolve, 5 * (5 - item)));
    if (item === 2) throw new Error('two');
    return 10 * item;
  };
  expect(await inParallel(runtimes, [4, 0, 3], work)).toEqual([40, 0, 30]);
  begun.length = 0;
  await expect(inParallel(runtimes, [0, 1, 2, 3, 4, 0, 1], work)).rejects.toThrow('two');
  expect(begun.length).toBeLessThan(7);
});
