import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom, writeNpz } from '../../src/index.ts';
import { smallModel } from '../../src/runtime/small-model.ts';
import { type Folder, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const COUNT = 40;
const EPSILONS = [0, 0.02, 0.05, 0.1];

/** Logits 0 and w · x of 1×2×2 images. Its label flips within ε exactly when |w · x| < ε ‖w‖₁ (Goodfellow et al. 2015, §3). */
function linearProblem() {
  const weight = [1, -2, 1.5, -0.4];
  const random = createRandom(5, 'linear');
  const images = new Float32Array(COUNT * 4);
  // Far enough from 0 and 1 that the box does not shorten any perturbation.
  random.fillUniform(images, 0.2, 0.8);
  const margins = Array.from({ length: COUNT }, (_, i) =>
    weight.reduce((sum, w, p) => sum + w * images[4 * i + p]!, 0),
  );
  const norm = weight.reduce((sum, w) => sum + Math.abs(w), 0);
  const model = smallModel({
    inputs: { x: { dtype: 'float32', shape: undefined } },
    constants: {
      w: { dtype: 'float32', shape: [4, 2], data: Float32Array.from(weight.flatMap((w) => [0, w])) },
      shape: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, 4n) },
    },
    nodes: [
      { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'w'], outputs: ['logits'] },
    ],
    outputs: { logits: 'float32' },
  });
  const labels = Uint8Array.from(margins, (margin) => Number(margin > 0));
  const data = writeNpz({
    images: { shape: [COUNT, 1, 2, 2], data: images },
    labels: { shape: [COUNT], data: labels },
  });
  return { model, data, robustWithin: (epsilon: number) => margins.filter((m) => Math.abs(m) > epsilon * norm).length };
}

it('finds the exact robust accuracy of a linear classifier, and writes it as JSON', async () => {
  const { model, data, robustWithin } = linearProblem();
  const json = folder.file('result.json');
  const { code, stdout } = await tempered([
    ...['evaluate', await folder.write('linear.onnx', model), '--data', await folder.write('data.npz', data)],
    ...['--input-shape', '1x2x2', '--epsilons', EPSILONS.join(), '--steps', '10', '--json', json],
  ]);
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n')).toHaveLength(1 + EPSILONS.length);
  const { results, attack, count } = JSON.parse(await readFile(json, 'utf8'));
  expect(count).toBe(COUNT);
  expect(attack).toMatchObject({ name: 'pgd', norm: 'linf', steps: 10, randomStart: true });
  expect(results.map(({ epsilon }: { epsilon: number }) => epsilon)).toEqual(EPSILONS);
  const correct = EPSILONS.map(robustWithin);
  // The problem is no trivial one: some images fall at every ε.
  expect(new Set(correct).size).toBe(EPSILONS.length);
  expect(results.map((row: { correct: number }) => row.correct)).toEqual(correct);
  expect(results.map((row: { accuracy: number }) => row.accuracy)).toEqual(correct.map((n) => n / COUNT));
  // Clopper–Pearson in closed form, where all are right.
  expect(results[0]).toMatchObject({ accuracy: 1, count: COUNT });
  expect(results[0].interval[1]).toBe(1);
  expect(results[0].interval[0]).toBeCloseTo(0.025 ** (1 / COUNT), 6);
});
