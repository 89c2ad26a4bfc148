import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { perturb } from '../attacks/attack.ts';
import { pgd } from '../attacks/pgd.ts';
import { UsageError } from '../errors.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Classifier } from './classifier.ts';
import { predictLogits } from './predict.ts';
import { affineModel, noiseImages } from './testing/small-models.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const model = affineModel(
  [1, 1, 2],
  [
    [1, 2],
    [3, -1],
  ],
);

/** The runtime, counting the programs that are compiled and those that are still held. */
function counting() {
  const counts = { compiled: 0, held: 0 };
  const counted: Runtime = {
    ...runtime,
    description: runtime.description,
    upload: (tensor) => runtime.upload(tensor),
    close: () => runtime.close(),
    compile: async (...args) => {
      const program = await runtime.compile(...args);
      counts.compiled += 1;
      counts.held += 1;
      return {
        inputNames: program.inputNames,
        outputNames: program.outputNames,
        run: (...feeds) => program.run(...feeds),
        release: () => {
          counts.held -= 1;
          program.release();
        },
      };
    },
  };
  return { classifier: new Classifier(model, counted), counts };
}

describe('programs', () => {
  it('are few, however many counts of images there are', async () => {
    const { classifier, counts } = counting();
    for (let count = 1; count <= 60; count++) await predictLogits(classifier, noiseImages(count, [1, 1, 2]));
    // 1, 2, 4, 8, 16, 32, 50.
    expect(counts.compiled).toBe(7);
    await classifier.release();
    expect(counts.held).toBe(0);
  });

  it('are dropped when many others were used since, and compiled anew when they run', async () => {
    const { classifier, counts } = counting();
    const scaled = (factor: number) =>
      classifier.program(`times ${factor}`, 1, ({ g, model }) => {
        g.output(g.scale(model(g.input('x', 'float32', [1, 1, 1, 2])).logits, factor), 'scaled');
      });
    const x = { dtype: 'float32', shape: [1, 1, 1, 2], data: Float32Array.of(1, 2) } as const;
    const first = await scaled(2);
    for (let factor = 3; factor < 60; factor++) await scaled(factor);
    expect(counts.held).toBeLessThan(20);
    const runs = await Promise.all([first.run({ x }), first.run({ x })]);
    for (const { fetched } of runs) expect(fetched.scaled!.data).toEqual(Float32Array.of(10, 2));
    expect(counts.held).toBeLessThan(20);
    await classifier.release();
    expect(counts.held).toBe(0);
  });

  it('are kept while they run', async () => {
    const { classifier } = counting();
    const sum = await Promise.all(
      Array.from({ length: 40 }, async (_, k) => {
        const program = await classifier.program(`plus ${k}`, 1, ({ g, model }) => {
          g.output(g.add(model(g.input('x', 'float32', [1, 1, 1, 2])).logits, g.constant(k)), 'sum');
        });
        const x = { dtype: 'float32', shape: [1, 1, 1, 2], data: Float32Array.of(0, 0) } as const;
        return (await program.run({ x })).fetched.sum!.data[0];
      }),
    );
    expect(sum).toEqual(Array.from({ length: 40 }, (_, k) => k));
    await classifier.release();
  });
});

describe('refuses', () => {
  it('images with fewer values than their shape says', async () => {
    const short = { shape: [3, 1, 1, 2], data: new Float32Array(4) };
    await expect(predictLogits(new Classifier(model, runtime), short)).rejects.toThrow(
      new UsageError('images of shape [3, 1, 1, 2] have 6 values, but 4 were given'),
    );
  });

  it('attacks on a model with one output', async () => {
    const single = new Classifier(affineModel([1, 1, 2], [[1, 2]]), runtime);
    const images = noiseImages(1, [1, 1, 2]);
    await expect(perturb(single, pgd(), { images, labels: [0], epsilon: 0.1 })).rejects.toThrow(UsageError);
    await expect(perturb(single, pgd(), { images, labels: [0], epsilon: 0.1 })).rejects.toThrow('has one output');
  });
});
