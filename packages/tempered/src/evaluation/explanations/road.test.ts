import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../errors.ts';
import { Classifier } from '../../models/classifier.ts';
import { affineModel, noiseImages } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Tensor } from '../../tensor.ts';
import { linearImputer } from './impute.ts';
import { road, roadKind } from './road.ts';
import { taskOf } from './testing/task.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const SIDE = 9;
const AREA = SIDE * SIDE;

/** Every removed pixel is the mean of its neighbours, by elimination: the definition of Rong et al. 2022, §4.2. */
function imputed(image: ArrayLike<number>, removed: ArrayLike<number>): number[] {
  const unknown = Array.from({ length: AREA }, (_, p) => p).filter((p) => removed[p] === 1);
  const rows = unknown.map((p) => {
    const row = Array<number>(unknown.length + 1).fill(0);
    for (const dy of [-1, 0, 1])
      for (const dx of [-1, 0, 1]) {
        const [y, x] = [Math.floor(p / SIDE) + dy, (p % SIDE) + dx];
        if ((dy === 0 && dx === 0) || y < 0 || x < 0 || y >= SIDE || x >= SIDE) continue;
        const weight = dy === 0 || dx === 0 ? 2 : 1;
        const q = y * SIDE + x;
        row[unknown.indexOf(p)]! += weight;
        if (removed[q] === 1) row[unknown.indexOf(q)]! -= weight;
        else row[unknown.length]! += weight * image[q]!;
      }
    return row;
  });
  for (const [k, pivot] of rows.entries())
    for (const row of rows) {
      if (row === pivot) continue;
      const factor = row[k]! / pivot[k]!;
      for (let j = k; j < row.length; j++) row[j]! -= factor * pivot[j]!;
    }
  const result = Array.from(image);
  unknown.forEach((p, k) => {
    result[p] = rows[k]!.at(-1)! / rows[k]![k]!;
  });
  return result;
}

function randomMask(share: number, seed: number): Float32Array {
  const random = createRandom(seed, 'mask');
  return Float32Array.from({ length: AREA }, () => Number(random.uniform() < share));
}

async function imputeLinear(images: Tensor, removed: Tensor, batch = 50): Promise<Tensor> {
  const imputer = await linearImputer(runtime, images.shape.slice(1), batch);
  try {
    return await imputer.impute(images, removed);
  } finally {
    imputer.release();
  }
}

describe('linear imputation', () => {
  it('solves the systems of images and channels, whatever is beside them', async () => {
    const images = noiseImages(3, [2, SIDE, SIDE]);
    const masks = [randomMask(0.3, 1), randomMask(0.9, 2), new Float32Array(AREA)];
    const removed = { shape: [3, 1, SIDE, SIDE], data: Float32Array.from(masks.flatMap((mask) => [...mask])) };
    const all = await imputeLinear(images, removed);
    for (const [i, mask] of masks.entries())
      for (const c of [0, 1]) {
        const plane = images.data.subarray((2 * i + c) * AREA, (2 * i + c + 1) * AREA);
        const found = all.data.subarray((2 * i + c) * AREA, (2 * i + c + 1) * AREA);
        imputed(plane, mask).forEach((value, p) => void expect(found[p]).toBeCloseTo(value, 4));
      }
    const one = await imputeLinear(images, removed, 2);
    expect(one.data).toHaveLength(all.data.length);
    one.data.forEach((value, i) => void expect(all.data[i]).toBeCloseTo(value, 5));
  });

  it('puts a ramp back as it was, but for its ends', async () => {
    const data = Float32Array.from({ length: AREA }, (_, p) => (p % SIDE) / SIDE);
    const inner = Float32Array.from({ length: AREA }, (_, p) => {
      const [y, x] = [Math.floor(p / SIDE), p % SIDE];
      return Number(x > 0 && y > 0 && x < SIDE - 1 && y < SIDE - 1);
    });
    const shape = [1, 1, SIDE, SIDE];
    const found = await imputeLinear({ shape, data }, { shape, data: inner });
    found.data.forEach((value, p) => void expect(value).toBeCloseTo(data[p]!, 4));
  });

  it('needs something to go by', async () => {
    const shape = [1, 1, 2, 2];
    const work = imputeLinear({ shape, data: new Float32Array(4) }, { shape, data: new Float32Array(4).fill(1) });
    await expect(work).rejects.toThrow(UsageError);
  });
});

describe('ROAD', () => {
  // The class is there while the bright spot in the middle is.
  const middle = Math.floor(AREA / 2);
  const weights = Array.from({ length: AREA }, (_, p) => Number(p === middle));
  const images: Tensor = {
    shape: [1, 1, SIDE, SIDE],
    data: Float32Array.from(weights, (one) => 0.2 + 0.6 * one),
  };
  const spot: Tensor = { shape: images.shape, data: Float32Array.from(weights) };
  const scoreOf = async (options: Parameters<typeof road>[0], attributions = spot, batchSize = 50) => {
    const classifier = new Classifier(affineModel([1, SIDE, SIDE], [weights, weights.map(() => 0)], [0, 0.5]), runtime);
    return (await roadKind.score(taskOf(classifier, images, attributions, { batchSize }), road(options)))[0]!;
  };

  it('asks whether the class is still predicted', async () => {
    expect(await scoreOf({ order: 'morf' })).toBe(0);
    expect(await scoreOf({ order: 'lerf' })).toBe(1);
    expect(await scoreOf({})).toBe(1);
    expect(await scoreOf({}, { ...spot, data: spot.data.map((one) => -one) })).toBe(-1);
  });

  it('takes probabilities too: of the imputed spot, the surroundings and a little noise', async () => {
    const found = await scoreOf({ order: 'morf', of: 'probability', shares: [0.1], noise: 0 });
    expect(found).toBeCloseTo(1 / (1 + Math.exp(0.5 - 0.2)), 5);
    const noisy = await scoreOf({ order: 'morf', of: 'probability', shares: [0.1], noise: 0.1 });
    expect(noisy).not.toBeCloseTo(found, 5);
    expect(await scoreOf({ order: 'morf', of: 'probability', shares: [0.1], noise: 0.1 }, spot, 3)).toBeCloseTo(
      noisy,
      6,
    );
  });

  it('compiles its imputation once for all images, and gives it back', async () => {
    const compiled: string[] = [];
    const released: string[] = [];
    const counting: Runtime = {
      ...runtime,
      compile: async (model, options) => {
        const program = await runtime.compile(model, options);
        const label = options?.label ?? '';
        compiled.push(label);
        const release = () => {
          released.push(label);
          program.release();
        };
        return { ...program, release };
      },
    };
    const nine = { shape: [9, 1, SIDE, SIDE], data: noiseImages(9, [1, SIDE, SIDE]).data };
    const classifier = new Classifier(
      affineModel([1, SIDE, SIDE], [weights, weights.map(() => 0)], [0, 0.5]),
      counting,
    );
    const task = taskOf(classifier, nine, nine, { batchSize: 4 });
    await roadKind.score(task, road({ order: 'morf', shares: [0.3, 0.5] }));
    for (const labels of [compiled, released])
      expect(labels.filter((label) => label.startsWith('imputation'))).toEqual(['imputation, start', 'imputation']);
  });

  it.each([
    [() => road({ shares: [1] }), 'the shares of removed pixels must lie between 0 and 1, not 1'],
    [() => road({ shares: [] }), 'the shares of removed pixels must lie between 0 and 1'],
    [() => road({ noise: -1 }), 'the noise must be 0 or more, not -1'],
  ])('refuses %o', (make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });
});
