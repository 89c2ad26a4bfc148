/** @file `tempered train` with a configuration file: what it reads, what it writes, and what it refuses. */
import { readFile } from 'node:fs/promises';
import { parseModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readModel, writeNpz } from '../../src/index.ts';
import { CLASSES, type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
let data: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  data = await folder.write('data.npz', smallData(150));
  await folder.write('small.onnx', smallClassifier());
});
afterAll(() => folder.remove());

const json = async (...names: string[]) => JSON.parse(await readFile(folder.file(...names), 'utf8'));

const write = (name: string, configuration: object) => folder.write(name, JSON.stringify(configuration));

it('reads a file, lets options override it, and writes down what it did', async () => {
  const config = await write('a.json', {
    data,
    method: { name: 'adversarial', norm: 'l2', epsilon: '1/2', steps: 2, ramp: { until: 10 } },
    optimizer: { name: 'sgd', nesterov: true },
    schedule: 'one-cycle',
    clipping: { name: 'norm', limit: 5 },
    labelSmoothing: 0.1,
    averaging: { decay: 0.9 },
    augmentation: { color: { brightness: 0.1 }, rotation: 5, cutout: 2 },
    validation: { count: 20, steps: 2 },
    ...{ epochs: 9, batchSize: 20, learningRate: 0.02, seed: 4 },
  });
  const args = ['--epochs', '2', '--method', 'trades', '--weight-decay', '0.001', '--out', folder.file('a')];
  const { code, stdout, stderr } = await tempered(['train', config, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /^epoch 1 of 2: loss \d+\.\d{4}, natural [\d.]+%, PGD-2 at 0\.5 [\d.]+%, \d+ images\/s, [\d.]+ s$/m,
  );

  const configuration = await json('a', 'configuration.json');
  expect(configuration).toMatchObject({
    // The method is another one, with the radius and the attack of the file.
    method: {
      name: 'trades',
      norm: 'l2',
      epsilon: 0.5,
      steps: 2,
      ramp: { from: 0, until: 10, unit: 'steps' },
      beta: 6,
    },
    optimizer: { name: 'sgd', nesterov: true, momentum: 0.9, weightDecay: 0.001 },
    ...{ epochs: 2, batchSize: 20, seed: 4 },
  });
  const { data: _data, dataDir: _dataDir, seed: _seed, ...settings } = configuration;
  expect((await json('a', 'manifest.json')).configuration).toMatchObject(settings);

  const names = (await folder.list()).filter((name) => name.startsWith('a/')).map((name) => name.slice(2));
  const events = names.filter((name) => name.startsWith('events.out.tfevents.'));
  expect(events).toHaveLength(1);
  expect(names.filter((name) => !events.includes(name))).toEqual([
    ...['checkpoint.npz', 'configuration.json', 'last.onnx', 'manifest.json'],
    ...['metrics.csv', 'metrics.jsonl', 'model.onnx'],
  ]);
  const lines = (await readFile(folder.file('a', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const records = lines.map((line) => JSON.parse(line));
  expect(records.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect((await readFile(folder.file('a', 'metrics.csv'), 'utf8')).split('\r\n')).toHaveLength(4);

  const { metadata } = parseModel(await readFile(folder.file('a', 'last.onnx')));
  expect(metadata).toMatchObject({
    'tempered.method': 'trades',
    'tempered.norm': 'l2',
    'tempered.epsilon': '0.5',
    'tempered.epochs': '2',
    'tempered.planned_epochs': '2',
    'tempered.seed': '4',
    'tempered.data': data,
    'tempered.architecture': 'small-cnn',
    'tempered.natural_accuracy': String(records[1].naturalAccuracy),
    'tempered.robust_accuracy': String(records[1].robustAccuracy),
    'tempered.robust_accuracy_epsilon': '0.5',
    'tempered.robust_accuracy_norm': 'l2',
  });

  // What is written down is a configuration itself, and trains the same model.
  const again = await tempered(['train', folder.file('a', 'configuration.json'), '--out', folder.file('again')]);
  expect(again.code).toBe(0);
  const [first, second] = await Promise.all(['a', 'again'].map((name) => readFile(folder.file(name, 'model.onnx'))));
  expect(first!.equals(second!)).toBe(true);
});

it('starts from a model, with a last layer for other classes', async () => {
  const more = { images: { shape: [60, 12, 12], data: new Uint8Array(60 * 144).map((_, i) => (7 * i) % 256) } };
  const labels = { shape: [60], data: new Uint8Array(60).map((_, i) => i % 4) };
  const four = await folder.write('four.npz', writeNpz({ ...more, labels }));
  const config = await write('tune.json', { data: four, freeze: true, validation: { count: 0 } });
  const args = [
    '--init',
    folder.file('small.onnx'),
    '--epochs',
    '1',
    '--batch-size',
    '10',
    '--out',
    folder.file('tuned'),
  ];
  const { code, stderr } = await tempered(['train', config, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [start, tuned] = [
    readModel(await readFile(folder.file('small.onnx'))),
    readModel(await readFile(folder.file('tuned', 'model.onnx'))),
  ];
  expect([start.classes, tuned.classes.length]).toEqual([CLASSES, 4]);
  const changed = [...start.graph.initializers].filter(([name, { data }]) => {
    const after = tuned.graph.initializers.get(name)!.data;
    return after.length !== data.length || after.some((value, i) => value !== data[i]);
  });
  // Weight and bias of the last layer, and nothing else.
  expect(changed).toHaveLength(2);
  for (const [name] of changed) expect(tuned.graph.initializers.get(name)!.shape[0]).toBe(4);
  expect((await json('tuned', 'manifest.json')).dataHashes.init).toMatch(/^[0-9a-f]{64}$/);
});

it('says in one line that it learns nothing at such a rate', async () => {
  const args = ['--data', data, '--optimizer', 'sgd', '--learning-rate', '1e38', '--out', folder.file('wild')];
  const { code, stderr } = await tempered(['train', ...args]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^(The loss is (NaN|Infinity) in epoch 1|After epoch 1, ).*: lower the learning rate, or clip the gradients\.\n$/,
  );
});

it.concurrent.each<[string, object | string, string[], RegExp]>([
  ['no file', 'none.json', [], /none\.json cannot be read: there is no such file/],
  ['no JSON', 'data.npz', [], /data\.npz is not JSON/],
  [
    'a mistake',
    { method: { name: 'trades', epsillon: 1 } },
    [],
    /method: there is no setting 'epsillon'; did you mean 'epsilon'\?/,
  ],
  ['a mistake in an option', { epochs: 1 }, ['--warmup', '5'], /a ramp ends within the training/],
  ['freezing without a model', { freeze: true }, [], /'freeze' needs 'init', the model to start from/],
  ['a model that is missing', { init: 'none.onnx' }, [], /none\.onnx cannot be read/],
  [
    'a choice by what is not measured',
    { selection: 'robust', validation: { count: 0 } },
    ['--method', 'pgd'],
    /argument 'pgd' is invalid/,
  ],
])('refuses %s', async (what, configuration, more, message) => {
  const name = `${what.replaceAll(' ', '-')}.json`;
  const file =
    typeof configuration === 'string' ? folder.file(configuration) : await write(name, { data, ...configuration });
  const method = more.includes('--warmup') ? ['--method', 'adversarial'] : [];
  const { code, stderr } = await tempered(['train', file, ...method, ...more, '--out', folder.file(`no-${what}`)]);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
