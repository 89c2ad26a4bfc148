import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { doctorCommand } from './doctor.ts';

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function run(...args: string[]): Promise<string> {
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += text;
    return true;
  });
  await doctorCommand().parseAsync(args, { from: 'user' });
  return output;
}

it('prints devices and one line an operator', async () => {
  // Without a driver WebGPU is reported as missing, which keeps the test short and alike everywhere on Linux.
  process.env.VK_DRIVER_FILES = '/nonexistent.json';
  const output = await run('--threads', '1');
  expect(output).toMatch(/^tempered \d+\.\d+\.\d+, Node v/);
  expect(output).toMatch(/^ {2}cpu +onnxruntime-node \d.*, CPU, 1 thread$/m);
  expect(output).toMatch(/^ {2}webgpu +/m);
  expect(output).toMatch(/^ {2}Conv +0/m);
  expect(output).toMatch(/Every result agrees with the CPU\.\n$/);
  expect(process.exitCode).toBeUndefined();
});

it('prints the same as JSON', async () => {
  process.env.VK_DRIVER_FILES = '/nonexistent.json';
  const report = JSON.parse(await run('--json', '--threads', '1'));
  expect(report.threads).toBe(1);
  expect(report.devices.map(({ device }: { device: string }) => device)).toEqual(['cpu', 'webgpu']);
  expect(report.devices[0].operators.length).toBeGreaterThan(100);
  expect(report.devices[0].problems).toEqual([]);
});

it.skipIf(process.platform !== 'linux')('exits with 1 when the device asked for is missing', async () => {
  process.env.VK_DRIVER_FILES = '/nonexistent.json';
  expect(await run('--device', 'webgpu', '--threads', '1')).toMatch(/webgpu +not available: onnxruntime-node found no/);
  expect(process.exitCode).toBe(1);
});

it.skipIf(process.platform !== 'linux')(
  'takes the options of every command: a file for the JSON, and a seed',
  async () => {
    process.env.VK_DRIVER_FILES = '/nonexistent.json';
    const notes: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => notes.push(String(text)) > 0);
    const folder = await mkdtemp(join(tmpdir(), 'tempered-'));
    try {
      const json = join(folder, 'doctor.json');
      const output = await run('--device', 'webgpu', '--threads', '1', '--seed', '3', '--json', json);
      expect(output).toMatch(/^tempered \d/);
      expect(JSON.parse(await readFile(json, 'utf8')).devices).toMatchObject([{ device: 'webgpu', available: false }]);
      expect(notes).toContain('note: --seed has no effect here\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
