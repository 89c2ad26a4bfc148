/** @file The commands that measure what evaluate does not: UAR, universal perturbations, bound tightness, interpretation sneaking. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createModel, npyToTensor, parseNpy, writeModelFile } from '../../src/index.ts';
import {
  CLASSES,
  type Folder,
  LINEAR_COUNT,
  linearProblem,
  smallClassifier,
  smallData,
  tempered,
  temporaryFolder,
} from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
  await folder.write('small.onnx', smallClassifier());
  await folder.write('data.npz', smallData(12));
});
afterAll(() => folder.remove());

it('prints UAR: accuracies at the published strengths over the published ones', async () => {
  const json = folder.file('uar.json');
  const { code, stdout } = await tempered([
    ...['uar', folder.file('small.onnx'), '--data', folder.file('data.npz'), '--attacks', 'linf,elastic'],
    ...['--steps', '2', '--json', json],
  ]);
  expect(code).toBe(0);
  const { results, calibration } = JSON.parse(await readFile(json, 'utf8'));
  expect(calibration).toBe('cifar10');
  // Kang et al. 2019, ATA of CIFAR-10.
  const published: Record<string, number> = {
    linf: 91.0 + 87.8 + 81.6 + 71.3 + 46.5 + 23.1,
    elastic: 87.4 + 81.3 + 72.1 + 58.2 + 45.4 + 27.8,
  };
  expect(results.map(({ attack }: { attack: string }) => attack)).toEqual(Object.keys(published));
  for (const { attack, uar, underAttack } of results) {
    const sum = underAttack.reduce((total: number, at: { accuracy: number }) => total + at.accuracy, 0);
    expect(sum).toBeGreaterThan(0);
    expect(uar).toBeCloseTo((100 * sum) / published[attack]!, 9);
    expect(stdout).toMatch(new RegExp(`^${attack} +${(100 * uar).toFixed(1)} `, 'm'));
  }
});

it('makes one perturbation that fools what it says it fools', async () => {
  const { model, data, images, weight } = linearProblem();
  const out = folder.file('universal');
  const { code, stdout } = await tempered([
    ...['universal', await folder.write('linear.onnx', model), '--data', await folder.write('linear.npz', data)],
    ...['--input-shape', '1x2x2', '--epsilon', '0.15', '--epochs', '5', '--out', out],
  ]);
  expect(code).toBe(0);
  const result = JSON.parse(await readFile(folder.file('universal', 'result.json'), 'utf8'));
  const bytes = await readFile(folder.file('universal', 'universal.npy'));
  const delta = npyToTensor(parseNpy(bytes, 'universal.npy'));
  expect(delta.shape).toEqual([1, 2, 2]);
  expect(Math.max(...delta.data.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.15));
  const score = (i: number, by: ArrayLike<number>) =>
    weight.reduce((sum, w, p) => sum + w * Math.min(1, Math.max(0, images[4 * i + p]! + by[p]!)), 0);
  const fooled = Array.from(
    { length: LINEAR_COUNT },
    (_, i) => score(i, [0, 0, 0, 0]) > 0 !== score(i, delta.data) > 0,
  );
  const rate = fooled.filter(Boolean).length / LINEAR_COUNT;
  expect(rate).toBeGreaterThan(0.2);
  // A single file has no parts: both are the same images here.
  expect(result.madeFrom).toEqual({ count: LINEAR_COUNT, foolingRate: rate });
  expect(result.heldOut).toEqual({ count: LINEAR_COUNT, foolingRate: rate });
  expect(stdout).toContain(`${(100 * rate).toFixed(1)}% of the ${LINEAR_COUNT} images`);
  const png = await readFile(folder.file('universal', 'universal.png'));
  expect([...png.subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
});

const gapClassifier = (): Uint8Array =>
  writeModelFile(
    createModel({ architecture: 'gap-small', inputShape: [1, 12, 12], classes: CLASSES, seed: 2, name: 'gap' }),
  );

it('holds maps against the bound that they must keep', async () => {
  const json = folder.file('bound.json');
  const { code, stdout } = await tempered([
    ...['stability', await folder.write('gap.onnx', gapClassifier()), '--data', folder.file('data.npz'), '--bound'],
    ...['--json', json],
  ]);
  expect(code).toBe(0);
  const { count, attacked, points, violations, tightness } = JSON.parse(await readFile(json, 'utf8'));
  expect(count).toBe(12);
  expect(points.length).toBeGreaterThan(0);
  expect(violations).toEqual([]);
  // Boopathy et al. 2020, proposition 1.
  for (const { bound, twoClass } of points) expect(twoClass).toBeGreaterThanOrEqual(bound * (1 - 1e-3));
  expect(tightness.mean).toBeLessThanOrEqual(1.001);
  expect(stdout).toContain(`${attacked} of 12 images are right`);
  expect(stdout).toContain('holds on every image');
});

it('sneaks past the maps, no further than they can be kept', async () => {
  const json = folder.file('sneak.json');
  const { code, stdout } = await tempered([
    ...['sneak', await folder.write('gap.onnx', gapClassifier()), '--data', folder.file('data.npz')],
    ...['--steps', '8', '--weights', '3', '--json', json],
  ]);
  expect(code).toBe(0);
  const { attacked, count, results } = JSON.parse(await readFile(json, 'utf8'));
  expect(count).toBe(12);
  expect(stdout).toContain(`${attacked} of 12 images are classified right and attacked.`);
  expect(results.map(({ factor }: { factor: number }) => factor)).toEqual([1, 1.25, 1.5, 2]);
  const reached = results.map((at: { reached: number }) => at.reached);
  expect(reached).toEqual([...reached].sort((a, b) => a - b));
  expect(reached.at(-1)).toBeGreaterThan(0);
  // Boopathy et al. 2020, proposition 1.
  for (const { discrepancy, bound } of results)
    if (discrepancy !== null) expect(discrepancy).toBeGreaterThanOrEqual(bound * (1 - 1e-3));
});
