import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModel, npyToTensor, parseNpy, writeModelFile, writeNpy } from '../../src/index.ts';
import { decodeImage, encodePng } from '../../src/node.ts';
import { smallModel } from '../../src/runtime/small-model.ts';
import { CLASSES, type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const readArray = async (path: string) => npyToTensor(parseNpy(await readFile(path), path));
const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

describe('of an image', () => {
  it('writes arrays, pictures, a figure and the result, of the shapes of the input', async () => {
    const pixels = Uint8ClampedArray.from({ length: 20 * 24 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
    const image = await folder.write('image.png', await encodePng({ width: 24, height: 20, data: pixels }));
    const model = await folder.write('small.onnx', smallClassifier());
    const args = ['explain', model, '--input', image, '--method', 'integrated-gradients', '--steps', '8'];
    const { code, stdout, stderr } = await tempered([...args, '--target', '2', '--out', folder.file('out')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^1: logit of class 2 \(none\) = .*completeness error/);

    const attribution = await readArray(folder.file('out', 'attribution.npy'));
    expect(attribution.shape).toEqual([1, 1, 12, 12]);
    const picture = await decodeImage(folder.file('out', 'attribution.png'), { channels: 3 });
    expect(picture.shape).toEqual([1, 3, 444, 444]);
    const result = await readJson(folder.file('out', 'result.json'));
    expect(result).toMatchObject({ method: 'integrated-gradients', of: 'logit', shape: [1, 1, 12, 12] });
    const [{ target, completeness }] = result.explanations;
    expect(target).toBe(2);
    const sum = attribution.data.reduce((a, b) => a + b, 0);
    expect(completeness.sum).toBeCloseTo(sum, 4);
    const written = (await folder.list()).filter((name) => /^out[\\/]/.test(name)).map((name) => name.slice(4));
    const figures = ['figure.png', 'figure.svg'];
    expect(written).toEqual(['attribution.npy', 'attribution.png', ...figures, 'overlay.png', 'result.json']);
    expect(await readFile(folder.file('out', 'figure.svg'), 'utf8')).toContain('integrated-gradients of small');
    const overlay = await decodeImage(folder.file('out', 'overlay.png'), { channels: 3 });
    expect(overlay.shape).toEqual(picture.shape);
    expect(overlay.data).not.toEqual(picture.data);
  });
});

it('draws the maps of a batch apart, each with a clip of its own, and an overlay of an array of any range', async () => {
  const model = await folder.write('small.onnx', smallClassifier());
  const data = Float32Array.from({ length: 2 * 144 }, (_, i) => (i < 144 ? 0.01 : 3) * Math.sin(i));
  const input = await folder.write('batch.npy', writeNpy({ shape: [2, 1, 12, 12], data }));
  const args = ['explain', model, '--input', input, '--method', 'gradient-times-input', '--out', folder.file('batch')];
  expect((await tempered(args)).code).toBe(0);
  const { explanations } = await readJson(folder.file('batch', 'result.json'));
  expect(explanations[1].clip).toBeGreaterThan(5 * explanations[0].clip);
  for (const name of ['attribution.png', 'overlay.png']) {
    const { shape } = await decodeImage(folder.file('batch', name), { channels: 3 });
    expect(shape).toEqual([1, 3, 2 * 444 + 8, 444]);
  }
});

describe('of an array of any rank', () => {
  const WEIGHT = [2, -1, 0.5, 3, 1, -2];

  it('gives the closed form for a linear model', async () => {
    const linear = smallModel({
      inputs: { x: { dtype: 'float32', shape: [2, 3] } },
      constants: { w: { dtype: 'float32', shape: [3, 2], data: Float32Array.from(WEIGHT) } },
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      outputs: { y: 'float32' },
    });
    const model = await folder.write('linear.onnx', linear);
    const x = Float32Array.of(10, -20, 3, 0.5, 0, -100);
    const base = Float32Array.of(1, 1, 1);
    const input = await folder.write('x.npy', writeNpy({ shape: [2, 3], data: x }));
    const baseline = await folder.write('baseline.npy', writeNpy({ shape: [1, 3], data: base }));
    const args = ['explain', model, '--input', input, '--method', 'ig', '--baseline', baseline, '--target', '1'];
    const { code, stderr } = await tempered([...args, '--out', folder.file('linear')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const attribution = await readArray(folder.file('linear', 'attribution.npy'));
    expect(attribution.shape).toEqual([2, 3]);
    attribution.data.forEach((value, i) => {
      const expected = WEIGHT[2 * (i % 3) + 1]! * (x[i]! - base[i % 3]!);
      expect(value).toBeCloseTo(expected, 3);
    });
    const result = await readJson(folder.file('linear', 'result.json'));
    for (const { completeness } of result.explanations) expect(completeness.relativeError).toBeLessThan(1e-5);
  });
});

describe('side by side', () => {
  const twoModels = async () => {
    const other = { architecture: 'small-cnn', inputShape: [1, 12, 12], classes: CLASSES, seed: 2 } as const;
    return [
      await folder.write('net-normal.onnx', smallClassifier()),
      await folder.write('net-robust.onnx', writeModelFile(createModel(other))),
    ];
  };

  it('several models, methods and images, clean and attacked, make one figure', async () => {
    const data = await folder.write('data.npz', smallData(12));
    const args = ['explain', ...(await twoModels()), '--data', data, '--images', '1,2,5', '--out', folder.file('all')];
    const methods = ['--method', 'gradient,ig:steps=4,baseline=white,edges', '--steps', '9'];
    const { code, stdout, stderr } = await tempered([...args, ...methods, '--attack', 'fgsm', '--epsilon', '0.1']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trim().split('\n');
    // Models × methods × (clean, attacked) × images, and where it is.
    expect(lines).toHaveLength(2 * 3 * 2 * 3 + 1);
    expect(lines[0]).toMatch(/^1, net-normal, gradient: logit of class 1 \(right\) = /);
    expect(stdout).toMatch(/5, net-robust, ig:steps=4,baseline=white, attacked: logit.*completeness error.*4 points/);

    const result = await readJson(folder.file('all', 'result.json'));
    expect(result.explained).toHaveLength(12);
    const [first] = result.explained;
    expect(first).toMatchObject({ method: 'gradient', of: 'logit', shape: [3, 1, 12, 12], cost: { backwards: 3 } });
    expect(first.explanations.map(({ image, target }: { image: number; target: number }) => [image, target])).toEqual([
      [1, 1],
      [2, 2],
      [5, 2],
    ]);
    expect(first.explanations[0].positiveShare).toBeGreaterThan(0);
    const clean = await readArray(folder.file('all', 'attribution-robust-gradient.npy'));
    const attacked = await readArray(folder.file('all', 'attribution-robust-gradient-attacked.npy'));
    expect(clean.shape).toEqual([3, 1, 12, 12]);
    expect(attacked.data).not.toEqual(clean.data);
    const adversarial = await readArray(folder.file('all', 'attacked-normal.npy'));
    expect(adversarial.shape).toEqual([3, 1, 12, 12]);
    const svg = await readFile(folder.file('all', 'figure.svg'), 'utf8');
    for (const text of [
      'fgsm, ε = 0.1',
      'normal',
      'robust',
      'difference',
      'image 5 · class none',
      'logit per unit of pixel',
    ])
      expect(svg).toContain(text);
    expect((await decodeImage(folder.file('all', 'figure.png'))).shape[1]).toBe(3);
  });

  it('files one after the other, with a background set and a shared scale', async () => {
    const data = Float32Array.from({ length: 144 }, (_, i) => (i % 12) / 12);
    const inputs = await Promise.all(
      ['a.npy', 'b.npy'].map((name, k) => {
        const pixels = data.map((value) => value * (1 - 0.5 * k));
        return folder.write(name, writeNpy({ shape: [1, 1, 12, 12], data: pixels }));
      }),
    );
    const background = await folder.write(
      'background.npy',
      writeNpy({ shape: [3, 1, 12, 12], data: new Float32Array(432) }),
    );
    const args = ['explain', ...(await twoModels()), ...inputs.flatMap((input) => ['--input', input]), '--overlay'];
    const how = ['--method', 'expected-gradients', '--background', background, '--scale', 'method', '--samples', '5'];
    const { code, stderr } = await tempered([...args, ...how, '--out', folder.file('files')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { explained, input } = await readJson(folder.file('files', 'result.json'));
    expect(input).toEqual(inputs);
    const clips = explained.flatMap((each: { explanations: { clip: number }[] }) =>
      each.explanations.map(({ clip }) => clip),
    );
    expect(new Set(clips).size).toBe(1);
    expect(clips).toHaveLength(4);
    // What the first run wrote and the second does not is gone.
    const again = ['--method', 'gradient', '--out', folder.file('files')];
    expect((await tempered([...args, ...again])).code).toBe(0);
    const arrays = ['attribution-normal-gradient.npy', 'attribution-robust-gradient.npy'];
    const left = (await folder.list()).filter((name) => /^files[\\/]/.test(name)).map((name) => name.slice(6));
    expect(left).toEqual([...arrays, 'figure.png', 'figure.svg', 'result.json']);
  });
});

const BAD: [what: string, args: string, message: RegExp][] = [
  ['neither file nor data set', '@small.onnx', /either --input .* or --data/],
  ['both of them', '@small.onnx --input @batch.npy --data shapes', /either --input .* or --data/],
  ['an image that is not there', '@small.onnx --data @data.npz --images 12', /no image 12.*has 12/],
  ['a setting', '@small.onnx --input @batch.npy --method ig:stairs=3', /'ig' has no setting 'stairs'/],
  ['a method twice', '@small.onnx --input @batch.npy --method ig,ig', /names ig twice/],
  ['an attack without a radius', '@small.onnx --input @batch.npy --attack pgd', /--epsilon is missing/],
  ['two attacks', '@small.onnx --input @batch.npy --epsilon 1 --attack pgd --attack fgsm', /one attack/],
  ['models of other shapes', '@small.onnx @linear.onnx --input @batch.npy', /one by one/],
  ['no background', '@small.onnx --input @batch.npy --method expected-gradients', /background/],
  ['images without end', '@small.onnx --data shapes --images 999999999', /no image 999999999: no more than 100000/],
  [
    'a number of background images without data',
    '@small.onnx --input @batch.npy --background 5 --method smoothgrad:method=deep-shap',
    /give --background FILE.npy, or --data NAME/,
  ],
  ['a percentile', '@small.onnx --input @batch.npy --percentile 101', /100 or less/],
  ['a percentile of 0', '@small.onnx --input @batch.npy --percentile 0', /above 0/],
];

it.concurrent.each(BAD)('refuses %s', async (_, args, message) => {
  const words = args.split(' ').map((word) => word.replace('@', folder.file('/')));
  const { code, stderr } = await tempered(['explain', ...words, '--out', folder.file('none')]);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
