import { expect, it } from 'vitest';
import { tempered } from './command.ts';

const COMMANDS = [
  '',
  'study',
  'train',
  'evaluate',
  'attack',
  'attacks',
  'uar',
  'universal',
  'audit',
  'stability',
  'sneak',
  'explain',
  'methods',
  'score',
  'roar',
  'vae-gan',
  'vae-gan train',
  'vae-gan reconstruct',
  'vae-gan sample',
  'differentiate',
  'data',
  'data fetch',
  'data show',
  'doctor',
];

it.concurrent.each(COMMANDS)('the help of `tempered %s` fits a screen of 80 × 34', async (command) => {
  const { code, stdout, stderr } = await tempered([...command.split(' ').filter(Boolean), '--help']);
  const lines = stdout.trimEnd().split('\n');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(lines[0]).toMatch(new RegExp(`^Usage: tempered ${command}`));
  expect(lines.length).toBeLessThanOrEqual(34);
  expect(lines.filter((line) => [...line].length > 80)).toEqual([]);
});

it('prints its version', async () => {
  expect((await tempered(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

it('lists the attacks in 80 columns, with what their settings can be and what those of studies do otherwise', async () => {
  const { code, stdout } = await tempered(['attacks']);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.filter((line) => [...line].length > 80)).toEqual([]);
  expect(stdout).toContain('keep=last|worst|first');
  expect(stdout).toContain('kind=gaussian|uniform|corners|salt-and-pepper');
  expect(stdout).toMatch(/^boychev2023 +Boychev 2023 \(l2\)\n(?: .*\n)*? +– starts at the image itself/m);
  expect(lines.at(-1)).toContain('target=runner-up|least-likely|random|all, minimal=yes|no');
});
