import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodsFrom } from '../../attribution/catalogue.ts';
import { fromArrays } from '../../data/dataset.ts';
import { UsageError } from '../../errors.ts';
import { Classifier } from '../../models/classifier.ts';
import { predict } from '../../models/predict.ts';
import { affineModel, networkModel, noiseImages } from '../../models/testing/small-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { measuresFrom } from './measures.ts';
import { scoreMethod, tryMethods } from './score.ts';

const COUNT = 9;
const images = noiseImages(COUNT, [1, 4, 4]);

const dataset = (masks: boolean) =>
  fromArrays({
    name: 'noise',
    split: 'test',
    classes: ['0', '1', '2'],
    imageShape: [1, 4, 4],
    pixels: images.data,
    labels: Array.from({ length: COUNT }, (_, i) => i % 3),
    ...(masks && { masks: Uint8Array.from({ length: COUNT * 16 }, (_, i) => Number(i % 4 < 2)) }),
  });

const EVERY =
  'deletion:step=0.25,insertion,pixel-flipping,road:shares=0.25+0.5,average-drop,average-increase,average-gain,infidelity:samples=5,max-sensitivity:samples=2,pointing-game,relevance-mass,relevance-rank,localization-auc,top-k-intersection,sparseness,complexity,completeness';

let runtime: Runtime;
let classifier: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  classifier = new Classifier(
    networkModel({ inputShape: [1, 4, 4], classes: 3, activation: 'Tanh', bias: true }),
    runtime,
  );
});
afterAll(() => runtime.close());

const method = (text: string) => methodsFrom(text)[0]!;

describe('scores of a method', () => {
  it('are the same for any batch size, with every measure', async () => {
    const options = { dataset: dataset(true), method: method('ig:steps=4'), measures: measuresFrom(EVERY), seed: 3 };
    const some = await scoreMethod(classifier, { ...options, batchSize: 4 });
    const one = await scoreMethod(classifier, { ...options, batchSize: 1 });
    expect(some.scores.map(({ measure }) => measure)).toEqual(measuresFrom(EVERY).map(({ text }) => text));
    for (const [i, { values, count, undefinedCount }] of some.scores.entries()) {
      expect(count + undefinedCount).toBe(COUNT);
      values.forEach((value, n) => {
        if (value === null) expect(one.scores[i]!.values[n]).toBeNull();
        else expect(one.scores[i]!.values[n]).toBeCloseTo(value, 4);
      });
    }
    expect(some.cost).toEqual(one.cost);
    expect(some.cost.backwards).toBe(4 * COUNT);
  });

  it('are of the predicted class, or of the label', async () => {
    const options = { dataset: dataset(false), method: method('gradient'), measures: measuresFrom('sparseness') };
    expect((await scoreMethod(classifier, options)).targets).toEqual([...(await predict(classifier, images))]);
    const { targets } = await scoreMethod(classifier, { ...options, target: 'label' });
    expect(targets).toEqual(Array.from({ length: COUNT }, (_, i) => i % 3));
  });

  it('leave out what a method does not promise', async () => {
    const measures = measuresFrom('completeness,sparseness');
    const { scores } = await scoreMethod(classifier, { dataset: dataset(false), method: method('gradient'), measures });
    expect(scores.map(({ measure }) => measure)).toEqual(['sparseness']);
  });

  it('are null where they are not known', async () => {
    const flat = new Classifier(
      affineModel(
        [1, 4, 4],
        [0, 1, 2].map(() => Array<number>(16).fill(0)),
      ),
      runtime,
    );
    const options = { dataset: dataset(false), method: method('gradient'), measures: measuresFrom('sparseness') };
    const { scores } = await scoreMethod(flat, options);
    expect(scores[0]).toMatchObject({ value: null, count: 0, undefinedCount: COUNT, values: Array(COUNT).fill(null) });
  });

  it('refuse the loss, whose maps speak against the class; those of the log-probability do not', async () => {
    const options = { dataset: dataset(false), method: method('ig:steps=4'), measures: measuresFrom('deletion') };
    const work = scoreMethod(classifier, { ...options, of: 'loss' });
    await expect(work).rejects.toThrow(UsageError);
    await expect(work).rejects.toThrow('explain the log-probability, which is the loss with its sign turned');
    const { scores } = await scoreMethod(classifier, { ...options, of: 'log-probability' });
    expect(scores[0]!.count).toBe(COUNT);
  });

  it('refuse measures that need masks, and maps that are no pictures', async () => {
    const options = { dataset: dataset(false), method: method('gradient'), measures: measuresFrom('pointing-game') };
    await expect(scoreMethod(classifier, options)).rejects.toThrow(UsageError);
    await expect(scoreMethod(classifier, options)).rejects.toThrow(
      "the measure 'pointing-game' needs to know where the object is, which noise does not tell",
    );
    const line = new Classifier(
      affineModel(
        [4],
        [
          [1, 2, 3, 4],
          [0, 0, 0, 0],
        ],
      ),
      runtime,
    );
    const pictures = scoreMethod(line, { ...options, measures: measuresFrom('sparseness') });
    await expect(pictures).rejects.toThrow(UsageError);
  });

  it('try what a method refuses on a single image', async () => {
    const totals: number[] = [];
    const tried = (list: string) =>
      tryMethods(classifier, {
        dataset: dataset(false),
        methods: methodsFrom(list),
        onProgress: ({ total }) => totals.push(total),
      });
    await tried('ig:steps=4,gradient');
    expect(new Set(totals)).toEqual(new Set([1]));
    await expect(tried('gradient,cam')).rejects.toThrow('has no class activation maps');
    const refused = tried('gradient,kernel-shap:samples=2');
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow('Kernel SHAP');
  });
});
