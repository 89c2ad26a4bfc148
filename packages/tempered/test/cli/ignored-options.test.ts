/** @file Options that have no effect on a command: said on standard error, and no failure. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeNpy } from '../../src/index.ts';
import { type Folder, smallClassifier, smallData, tempered, temporaryFolder } from './command.ts';

let folder: Folder;

beforeAll(async () => {
  folder = await temporaryFolder();
  await folder.write('small.onnx', smallClassifier());
  await folder.write('data.npz', smallData(12));
  await folder.write('image.npy', writeNpy({ shape: [1, 1, 12, 12], data: new Float32Array(144) }));
});

afterAll(() => folder.remove());

const WITHOUT_EFFECT: [args: string, note: RegExp][] = [
  ['data show shapes --size 9', /--size has no effect on shapes/],
  ['explain @small.onnx --input @image.npy --steps 9 --out @out1', /--steps has no effect with --method gradient/],
  [
    'explain @small.onnx --input @image.npy --method ig --sigma 1 --samples 2 --out @out2',
    /--samples and --sigma have no effect with --method integrated-gradients/,
  ],
  ['evaluate @small.onnx --data @data.npz --attack fgsm --steps 9', /--steps has no effect with --attack fgsm/],
];

it.concurrent.each(WITHOUT_EFFECT)('notes an option without effect: %s', async (args, note) => {
  const { code, stderr } = await tempered(args.split(' ').map((part) => part.replace('@', folder.file('/'))));
  expect(stderr).toMatch(note);
  expect(code).toBe(0);
});
