/** @file The VAE-GAN's way through its commands: trained, killed, resumed, used. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeNpz } from '../../src/index.ts';
import { createRandom } from '../../src/random.ts';
import { type Folder, smallData, tempered, temporaryFolder } from './command.ts';

const COUNT = 8;

let folder: Folder;
let data: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  const pixels = new Float32Array(COUNT * 784);
  createRandom(1).fillUniform(pixels, 0, 1);
  data = await folder.write(
    'data.npz',
    writeNpz({
      images: { shape: [COUNT, 1, 28, 28], data: pixels },
      labels: { shape: [COUNT], data: new Uint8Array(COUNT) },
    }),
  );
});
afterAll(() => folder.remove());

const PARTS = ['encoder.onnx', 'decoder.onnx', 'discriminator.onnx'];

it('trains to the same bytes when it was killed, and projects and samples', async () => {
  const train = (name: string) => [
    ...['vae-gan', 'train', '--data', data, '--epochs', '2', '--batch-size', '4', '--seed', '3', '--shuffle'],
    ...['--out', folder.file(name)],
  ];
  const { code } = await tempered(train('cut'), (child, output) => {
    // The first line of an epoch is printed before its checkpoint is stored.
    if (/epoch 1 of 2:/.test(output)) child.kill('SIGKILL');
  });
  expect(code).toBeNull();
  expect((await tempered(train('cut'))).code).toBe(0);
  const whole = await tempered(train('whole'));
  expect(whole).toMatchObject({ code: 0, stdout: expect.stringMatching(/epoch 2 of 2: reconstruction \d/) });
  for (const file of PARTS) {
    const [cut, full] = await Promise.all(['cut', 'whole'].map((name) => readFile(folder.file(name, file))));
    expect(cut!.equals(full!)).toBe(true);
  }
  // Epoch 1 was told twice, and is there once.
  const metrics = (await readFile(folder.file('cut', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(metrics.map((line) => JSON.parse(line).epoch)).toEqual([1, 2]);
  expect((await readFile(folder.file('cut', 'metrics.csv'), 'utf8')).trimEnd().split('\r\n')).toHaveLength(3);
  expect(await folder.list()).toEqual(
    expect.arrayContaining(['whole/images/reconstructions-0001.png', 'whole/images/samples-0002.png']),
  );

  const picture = folder.file('reconstructed.png');
  const used = await tempered([
    ...['vae-gan', 'reconstruct', folder.file('whole'), '--data', data, '--count', '3', '--out', picture, '--json'],
  ]);
  const { distances, meanDistance } = JSON.parse(used.stdout);
  expect(distances).toHaveLength(3);
  // Noise in [0, 1] is about √(784 / 12) from the best constant image, and no two images are further apart than √784.
  expect(meanDistance).toBeGreaterThan(5);
  expect(meanDistance).toBeLessThan(28);
  expect([...(await readFile(picture)).subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
  const samples = folder.file('samples.png');
  expect((await tempered(['vae-gan', 'sample', folder.file('whole'), '--count', '4', '--out', samples])).code).toBe(0);
});

it('says what it cannot take', async () => {
  const small = await folder.write('small.npz', smallData(12));
  const out = folder.file('refused');
  const wrong = await tempered(['vae-gan', 'train', '--data', small, '--out', out]);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('1x28x28 or 3x32x32, not 1x12x12') });
  const missing = await tempered(['vae-gan', 'sample', folder.path, '--out', folder.file('none.png')]);
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('encoder.onnx cannot be read') });
  await expect(folder.list()).resolves.not.toContain('refused');
});
