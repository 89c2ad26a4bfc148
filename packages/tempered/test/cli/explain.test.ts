import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyToTensor, parseNpy, writeNpy } from '../../src/index.ts';
import { decodeImage, encodePng } from '../../src/node.ts';
import { smallModel } from '../../src/runtime/small-model.ts';
import { type Folder, smallClassifier, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const readArray = async (path: string) => npyToTensor(parseNpy(await readFile(path), path));
const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

describe('of an image', () => {
  it('writes four files, of the shapes of the input', async () => {
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
    expect((await folder.list()).filter((name) => name.startsWith('out/') || name.startsWith('out\\')).length).toBe(4);
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
