/** @file `tempered attack`, on a linear classifier whose nearest adversarial images are known. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { npyToTensor, parseNpy, writeNpy } from '../../src/index.ts';
import { type Folder, linearProblem, tempered, temporaryFolder } from './command.ts';

const COUNT = 6;

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
  await folder.write('linear.onnx', problem.model);
  await folder.write('images.npy', writeNpy({ shape: [COUNT, 1, 2, 2], data: problem.images.slice(0, 4 * COUNT) }));
});
afterAll(() => folder.remove());

const problem = linearProblem();
const { weight } = problem;
const scoreOf = (pixels: ArrayLike<number>, i: number) => weight.reduce((sum, w, p) => sum + w * pixels[4 * i + p]!, 0);

async function attack(name: string, ...args: string[]) {
  const files = [folder.file('linear.onnx'), '--input', folder.file('images.npy'), '--input-shape', '1x2x2'];
  const outcome = await tempered(['attack', ...files, '--out', folder.file(name), ...args]);
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const adversarial = npyToTensor(parseNpy(await readFile(folder.file(name, 'adversarial.npy')), name)).data;
  const result = JSON.parse(await readFile(folder.file(name, 'result.json'), 'utf8'));
  return { stdout: outcome.stdout, adversarial, result };
}

it('finds the smallest perturbations without ε, and says which are lost in a file of 8 bits', async () => {
  const { stdout, adversarial, result } = await attack('smallest', '--attack', 'fab:norm=linf,steps=10');
  expect(result.epsilon).toBeUndefined();
  const norm = weight.reduce((sum, w) => sum + Math.abs(w), 0);
  const lines = stdout.split('\n');
  for (const [i, image] of result.images.entries()) {
    const exact = Math.abs(scoreOf(problem.images, i)) / norm;
    expect(image.success).toBe(true);
    expect(image.distance / exact).toBeCloseTo(1, 2);
    const rounded = adversarial.map((v) => Math.round(v * 255) / 255);
    const survives = Number(scoreOf(rounded, i) > 0) !== image.before;
    expect(image.survivesRounding).toBe(survives);
    expect(lines[i]).toContain(survives ? 'success, with 8 bits a value too' : 'success, undone by rounding to 8 bits');
  }
  // Images on the boundary: rounding takes some of them back.
  const kept = result.images.map((image: { survivesRounding: boolean }) => image.survivesRounding);
  expect(new Set(kept)).toEqual(new Set([true, false]));
});

it('takes the attack of a study by its name', async () => {
  const { result } = await attack('study', '--attack', 'boychev2023:steps=3', '--epsilon', '0.5');
  expect(result.attack).toMatchObject({
    name: 'pgd',
    norm: 'l2',
    steps: 3,
    keep: 'batch',
    projection: 'ball-then-box',
  });
  expect(result.epsilon).toBe(0.5);
});
