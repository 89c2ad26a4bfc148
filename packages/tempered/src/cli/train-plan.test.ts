import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import { createModel } from '../models/architectures/index.ts';
import { writeModelFile } from '../models/load.ts';
import { parseConfiguration } from './schema.ts';
import { startingModel } from './train-plan.ts';
import { configurationSchema } from './train-schema.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-plan-'));
});
afterAll(() => rm(folder, { recursive: true }));

const dataset = fromArrays({
  name: 'dots',
  split: 'train',
  classes: ['ant', 'bee', 'cat'],
  imageShape: [1, 8, 8],
  pixels: new Uint8Array(3 * 64),
  labels: Int32Array.of(0, 1, 2),
});

/** What starts from a model of these classes. */
async function start(classes: readonly string[], settings: object = {}) {
  const init = join(folder, `${classes.join('-')}.onnx`);
  const model = createModel({ architecture: 'small-cnn', inputShape: dataset.imageShape, classes, seed: 4 });
  await writeFile(init, writeModelFile(model));
  const found = await startingModel(parseConfiguration(configurationSchema, { init, ...settings }), dataset);
  const keepsHead = Buffer.compare(head(found.model.graph), head(model.graph)) === 0;
  return { ...found, keepsHead };
}

const head = ({ initializers }: ReturnType<typeof createModel>['graph']): Buffer => {
  const [, last] = [...initializers].findLast(([name]) => name.endsWith('.weight'))!;
  return Buffer.from((last.data as Float32Array).slice().buffer);
};

it('keeps the last layer of a model with the classes of the data', async () => {
  expect(await start(['ant', 'bee', 'cat'])).toMatchObject({ keepsHead: true, model: { classes: dataset.classes } });
});

it('gives a model with the same classes in another order a new last layer, or refuses', async () => {
  expect(await start(['cat', 'bee', 'ant'])).toMatchObject({ keepsHead: false, model: { classes: dataset.classes } });
  await expect(start(['cat', 'bee', 'ant'], { newHead: false })).rejects.toThrow(
    /in another order: "newHead" must not be false/,
  );
});

it('says so where the classes get other names, but not where they had none', async () => {
  const renamed = await start(['x', 'y', 'z'], { newHead: false });
  expect(renamed).toMatchObject({ keepsHead: true, model: { classes: dataset.classes } });
  expect(renamed.note).toMatch(/-z\.onnx get the names.*'x' is 'ant'/);
  const counted = await start(['0', '1', '2'], { newHead: false });
  expect(counted).toMatchObject({ keepsHead: true, model: { classes: dataset.classes } });
  expect(counted.note).toBeUndefined();
});
