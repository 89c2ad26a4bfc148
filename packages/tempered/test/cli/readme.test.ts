/** @file The examples of the READMEs and of the documentation run as they are printed. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createModel, writeModelFile } from '../../src/index.ts';
import { smallModel } from '../../src/runtime/small-model.ts';
import { type Folder, temporaryFolder } from './command.ts';

const inWorkspace = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(folder.file('node_modules'));
  for (const name of ['onnx-grad', 'tempered']) {
    await symlink(inWorkspace(`packages/${name}`), folder.file('node_modules', name), 'junction');
  }
});
afterAll(() => folder.remove());

/** A classifier of shapes, for the examples of tempered. */
const shapesClassifier = () => {
  const classes = Array.from({ length: 10 }, (_, k) => String(k));
  return writeModelFile(
    createModel({ architecture: 'small-cnn', inputShape: [3, 32, 32], classes, seed: 0, name: 'example' }),
  );
};

/** input [N, 3, 224, 224] → logits [N, 1000], for the example of onnx-grad. */
const largeClassifier = () =>
  smallModel({
    inputs: { input: { dtype: 'float32', shape: [1, 3, 224, 224] } },
    constants: { weight: { dtype: 'float32', shape: [3, 1000], data: new Float32Array(3000).fill(0.5) } },
    nodes: [
      { op: 'GlobalAveragePool', inputs: ['input'], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'weight'], outputs: ['logits'] },
    ],
    outputs: { logits: 'float32' },
  });

it.each([
  ['README.md', shapesClassifier, /^0 [\d.]+ \[ [\d.]+, [\d.]+ \]\n0\.031\d+ .*\n\[ 2, 3, 32, 32 \] [\d.e-]+\n$/],
  ['packages/tempered/README.md', shapesClassifier, /^Uint8Array\(4\) .*Float64Array\(4\)/s],
  ['packages/onnx-grad/README.md', largeClassifier, /^$/],
  ['docs/data.md', shapesClassifier, /^\[ 3, 3, 32, 32 \] circle\n$/],
  ['docs/training.md', shapesClassifier, /^\[ 'epoch 1: [\d.]+', 'epoch 2: [\d.]+' \] \[.*\]\n\d+\n$/],
])('the example of %s', async (document, model, output) => {
  const text = await readFile(inWorkspace(document), 'utf8');
  const [, example] = /```js\n(import [\s\S]*?)```/.exec(text)!;
  await folder.write('classifier.onnx', model());
  const script = await folder.write('example.mjs', example!);
  const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: folder.path });
  expect(stdout).toMatch(output);
});
