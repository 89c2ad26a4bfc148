import { mkdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SHAPES_CLASSES } from '../../src/data/shapes/shapes.ts';
import { createModel, shapes, writeModelFile } from '../../src/index.ts';
import { encodePng } from '../../src/node.ts';
import { LINEAR_COUNT as COUNT, type Folder, linearProblem, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const EPSILONS = [0, 0.02, 0.05, 0.1];

it('finds the exact robust accuracy of a linear classifier, and writes it as JSON', async () => {
  const { model, data, stands } = linearProblem();
  const json = folder.file('result.json');
  const { code, stdout } = await tempered([
    ...['evaluate', await folder.write('linear.onnx', model), '--data', await folder.write('data.npz', data)],
    ...['--input-shape', '1x2x2', '--epsilons', EPSILONS.join(), '--steps', '10', '--json', json],
    ...['--batch-size', '7', '--ledger', folder.file('ledger.csv'), '--no-checks'],
  ]);
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n')).toHaveLength(1 + EPSILONS.length);
  const { models, attacks, count } = JSON.parse(await readFile(json, 'utf8'));
  const results = models[0].underAttack;
  expect(count).toBe(COUNT);
  expect(attacks.pgd).toMatchObject({ name: 'pgd', norm: 'linf', steps: 10, randomStart: true });
  expect(results.map(({ epsilon }: { epsilon: number }) => epsilon)).toEqual(EPSILONS);
  const correct = EPSILONS.map((epsilon) => stands(epsilon).filter(Boolean).length);
  // The problem is no trivial one: some images fall at every ε.
  expect(new Set(correct).size).toBe(EPSILONS.length);
  expect(results.map((row: { correct: number }) => row.correct)).toEqual(correct);
  expect(results.map((row: { accuracy: number }) => row.accuracy)).toEqual(correct.map((n) => n / COUNT));
  // Clopper–Pearson in closed form, where all are right.
  expect(results[0]).toMatchObject({ accuracy: 1, count: COUNT });
  expect(results[0].upper).toBe(1);
  expect(results[0].lower).toBeCloseTo(0.025 ** (1 / COUNT), 6);
  const [heading, ...rows] = await ledgerOf('ledger.csv');
  expect(heading?.join()).toBe('image,label,natural,epsilon,attack,prediction,distance,survives_rounding');
  expect(rows).toHaveLength(COUNT * EPSILONS.length);
  for (const [at, epsilon] of EPSILONS.entries()) {
    const part = rows.slice(at * COUNT, (at + 1) * COUNT).map((row) => row.map(Number));
    expect(part.map(([image]) => image)).toEqual(Array.from({ length: COUNT }, (_, i) => i));
    expect(part.every(([, label, natural, radius]) => label === natural && radius === epsilon)).toBe(true);
    expect(part.map(([, label, , , , prediction]) => prediction === label)).toEqual(stands(epsilon));
    expect(Math.max(...part.map((row) => row[6]!))).toBeCloseTo(epsilon, 6);
  }
});

const ledgerOf = async (name: string) =>
  (await readFile(folder.file(name), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));

/** An untrained classifier of the made shapes. */
const shapesModel = () =>
  writeModelFile(
    createModel({ architecture: 'small-cnn', inputShape: [3, 32, 32], classes: SHAPES_CLASSES, seed: 1, name: 'm' }),
  );

it('draws the made data set by the seed', async () => {
  const model = await folder.write('shapes.onnx', shapesModel());
  const { code, stdout } = await tempered([
    ...['evaluate', model, '--data', 'shapes', '--count', '12', '--epsilons', '0', '--seed', '3', '--no-checks'],
    ...['--ledger', folder.file('seed.csv')],
  ]);
  expect(code).toBe(0);
  expect(stdout).toContain('Data: pattern of amplitude 4/255');
  const { labels } = shapes({ split: 'test', count: 12, seed: 3 }).batch(Uint32Array.from({ length: 12 }, (_, i) => i));
  expect((await ledgerOf('seed.csv')).slice(1).map(([, label]) => Number(label))).toEqual([...labels]);
});

it('matches the classes of a folder by name, and takes all of it when told to', async () => {
  const model = await folder.write('named.onnx', shapesModel());
  const kept = ['star', 'bolt', 'circle'];
  const blank = await encodePng({ width: 32, height: 32, data: new Uint8ClampedArray(32 * 32 * 4).fill(255) });
  for (const name of kept) {
    await mkdir(folder.file('pictures', name), { recursive: true });
    await folder.write(`pictures/${name}/a.png`, blank);
  }
  const args = ['evaluate', model, '--data', folder.file('pictures'), '--epsilons', '0', '--no-checks'];
  const { code } = await tempered([...args, '--split', 'all', '--ledger', folder.file('named.csv')]);
  expect(code).toBe(0);
  const labels = (await ledgerOf('named.csv')).slice(1).map(([, label]) => SHAPES_CLASSES[Number(label)]);
  expect(labels).toEqual([...kept].sort());

  const divided = await tempered(args);
  expect(divided.code).toBe(2);
  expect(divided.stderr).toMatch(/^error: .* one picture in 10 .* 'all'\n$/);

  await mkdir(folder.file('pictures', 'zebra'));
  await folder.write('pictures/zebra/a.png', blank);
  const other = await tempered([...args, '--split', 'all']);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('are not those of pictures (bolt, circle, star, zebra)');
});

it('says when a saturated loss gives no gradient, and keeps the last or the worst', async () => {
  const { model, data, stands } = linearProblem(1e5);
  const evaluate = async (...more: string[]) => {
    const { code, stdout } = await tempered([
      ...['evaluate', await folder.write('steep.onnx', model), '--data', await folder.write('steep.npz', data)],
      ...[
        '--input-shape',
        '1x2x2',
        '--epsilons',
        '0.05',
        '--steps',
        '5',
        '--json',
        folder.file('steep.json'),
        '--no-checks',
        ...more,
      ],
    ]);
    expect(code).toBe(0);
    const { attacks, models } = JSON.parse(await readFile(folder.file('steep.json'), 'utf8'));
    return { stdout, attack: attacks.pgd, row: models[0].underAttack[0] };
  };
  const saturated = await evaluate();
  expect(saturated.attack.keep).toBe('last');
  expect(saturated.row.zeroGradients).toBeGreaterThan(COUNT / 2);
  expect(saturated.stdout).toContain(
    `${saturated.row.zeroGradients} of ${COUNT} images gave an attack no gradient: try --loss margin`,
  );
  const margin = await evaluate('--loss', 'margin', '--keep', 'worst');
  expect(margin.attack.keep).toBe('worst');
  expect(margin.row).toMatchObject({ zeroGradients: 0, correct: stands(0.05).filter(Boolean).length });
  expect(margin.stdout).not.toContain('gradient');
});

it('takes the worst of several attacks image by image, follows the curve to its end, and shows each class', async () => {
  const { model, data, stands } = linearProblem();
  const json = folder.file('several.json');
  const { code, stdout } = await tempered([
    ...['evaluate', await folder.write('several.onnx', model), '--data', await folder.write('several.npz', data)],
    ...['--input-shape', '1x2x2', '--attack', 'fgsm pgd:steps=3,random-start=no', '--attack', 'pgd:restarts=2'],
    ...['--curve', '--by-class', '--json', json, '--no-checks'],
  ]);
  expect(code).toBe(0);
  const { models, attacks } = JSON.parse(await readFile(json, 'utf8'));
  expect(Object.keys(attacks)).toEqual(['fgsm', 'pgd:steps=3,random-start=no', 'pgd:restarts=2']);
  expect(attacks['pgd:restarts=2']).toMatchObject({ name: 'restarts', restarts: 2, attack: { name: 'pgd' } });
  const { underAttack } = models[0];
  // Doubling from 1/255; no further than the first ε at which half of the images, guessing, are left.
  expect(underAttack.map((at: { epsilon: number }) => at.epsilon)).toEqual(
    [0, 1, 2, 4, 8, 16, 32, 64, 128, 255].map((k) => k / 255).slice(0, underAttack.length),
  );
  const half = underAttack.findIndex((at: { accuracy: number }) => at.accuracy <= 0.5);
  expect(half).toBe(underAttack.length - 1);
  for (const at of underAttack) {
    expect(at.correct).toBe(stands(at.epsilon).filter(Boolean).length);
    expect(at.correct).toBeLessThanOrEqual(
      Math.min(...Object.values<{ correct: number }>(at.byAttack).map(({ correct }) => correct)),
    );
    expect(at.byClass.reduce((sum: number, found: { correct: number }) => sum + found.correct, 0)).toBe(at.correct);
  }
  expect(stdout).toMatch(/^ +ε {2}worst case/);
  expect(stdout).toMatch(/^class +images +ε = 0/m);
});

it('judges each model on images attacked on the other', async () => {
  const { model, data, stands } = linearProblem();
  const { model: same } = linearProblem(3);
  const json = folder.file('transfer.json');
  const { code, stdout } = await tempered([
    ...['evaluate', await folder.write('one.onnx', model), await folder.write('two.onnx', same)],
    ...['--data', await folder.write('both.npz', data), '--input-shape', '1x2x2'],
    ...['--epsilons', '0.1', '--transfer', '--json', json, '--no-checks'],
  ]);
  expect(code).toBe(0);
  const { transfer, models } = JSON.parse(await readFile(json, 'utf8'));
  expect(models).toHaveLength(2);
  // The models differ by a factor, so that every attack transfers whole.
  const correct = stands(0.1).filter(Boolean).length;
  expect(transfer).toMatchObject([{ attack: 'pgd', epsilon: 0.1 }]);
  expect(transfer[0].matrix.flat().map((share: { correct: number }) => share.correct)).toEqual(Array(4).fill(correct));
  expect(stdout).toContain('Accuracy at ε = 0.1 under pgd of each model (column) on images attacked on another (row):');
});

it('goes round a saturated loss, and says whether the figures can be believed', async () => {
  const { model, data, stands } = linearProblem(1e5);
  const json = folder.file('checked.json');
  const { code, stdout } = await tempered([
    ...['evaluate', await folder.write('masked.onnx', model), '--data', await folder.write('masked.npz', data)],
    ...['--input-shape', '1x2x2', '--epsilons', '0.05', '--steps', '5', '--json', json],
  ]);
  expect(code).toBe(0);
  const { models } = JSON.parse(await readFile(json, 'utf8'));
  const [{ underAttack, masks, checks }] = models;
  expect(underAttack[0].correct).toBe(stands(0.05).filter(Boolean).length);
  expect(Object.keys(underAttack[0].byAttack)).toEqual(['pgd', 'pgd, repaired']);
  expect(masks).toEqual([expect.stringContaining('loss underflow')]);
  expect(checks.map(({ id }: { id: string }) => id)).toEqual(
    Array.from({ length: 22 }, (_, i) => `C${i + 1}`).filter((id) => id !== 'C18'),
  );
  expect(stdout).toMatch(/^Honesty: \d+ checks passed, \d+ to look at, \d+ failed$/m);
  expect(stdout).toContain('masked: loss underflow');
});

it('measures at radii that go with the norm, and asks for them where there is none', async () => {
  const { model, data, stands } = linearProblem();
  const [path, images] = [await folder.write('radii.onnx', model), await folder.write('radii.npz', data)];
  const args = ['evaluate', path, '--data', images, '--input-shape', '1x2x2', '--no-checks', '--json'];
  const radii: Record<string, number[]> = {
    linf: [0, 2 / 255, 4 / 255, 8 / 255],
    l2: [0, 0.25, 0.5, 1],
    l1: [0, 3, 6, 12],
  };
  for (const [norm, expected] of Object.entries(radii)) {
    const { code, stdout } = await tempered([...args, '--norm', norm, '--steps', '5']);
    expect(code).toBe(0);
    const rows: { epsilon: number; correct: number }[] = JSON.parse(stdout).models[0].underAttack;
    expect(rows.map(({ epsilon }) => epsilon)).toEqual(expected);
    expect(rows[0]!.correct).toBe(stands(0).filter(Boolean).length);
    expect(rows[3]!.correct).toBeLessThan(rows[0]!.correct);
  }
  const unforeseen = await tempered([...args, '--attack', 'fog']);
  expect(unforeseen).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: --epsilons is missing: 'fog'/) });
});
