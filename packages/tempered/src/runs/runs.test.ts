import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { createModel } from '../models/architectures/index.ts';
import { writeModelFile } from '../models/load.ts';
import { writeFileAtomic } from './atomic.ts';
import { toCsv } from './csv.ts';
import { hashDataset, hashModelFile } from './hash.ts';
import { plainCopy } from './json.ts';
import { definedSettings } from './manifest.ts';
import { type ManifestStart, openRun } from './run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tempered-runs-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const manifest: ManifestStart = {
  command: 'study',
  configuration: { data: 'shapes', training: { epochs: 10, epsilons: [0, 0.1] } },
  seeds: { all: 1 },
  versions: { tempered: '0.1.0' },
  device: 'test',
  dataHashes: { shapes: 'abc' },
};

/** A process that writes a file and is killed by the system at the given call of node:fs/promises. */
async function writeAndDie(target: string, call: string): Promise<NodeJS.Signals | null | undefined> {
  const source = await readFile(join(dirname(fileURLToPath(import.meta.url)), 'atomic.ts'), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  await writeFile(join(folder, 'atomic.mjs'), ts.transpileModule(source, { compilerOptions }).outputText);
  const script = `
    import promises from 'node:fs/promises';
    import { syncBuiltinESMExports } from 'node:module';
    promises.${call} = () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => setInterval(() => {}, 1000)); };
    syncBuiltinESMExports();
    const { writeFileAtomic } = await import('./atomic.mjs');
    await writeFileAtomic(${JSON.stringify(target)}, 'new'.repeat(100000));`;
  await writeFile(join(folder, 'die.mjs'), script);
  return new Promise((done) => {
    execFile(process.execPath, [join(folder, 'die.mjs')], (error) => void done(error?.signal));
  });
}

describe('writeFileAtomic', () => {
  it('makes folders, replaces files and leaves nothing else', async () => {
    const file = join(folder, 'a', 'b.txt');
    await writeFileAtomic(file, 'old');
    await writeFileAtomic(file, Uint8Array.of(110, 101, 119));
    expect(await readFile(file, 'utf8')).toBe('new');
    expect(await readdir(join(folder, 'a'))).toEqual(['b.txt']);
  });

  it('keeps the old file when the process is killed between write and rename', async () => {
    const root = join(folder, 'run');
    const run = await openRun(root, { manifest });
    const file = await run.write('report.html', 'old');
    expect(await writeAndDie(file, 'rename')).toBe('SIGKILL');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect((await readdir(root)).some((name) => name.endsWith('.unfinished'))).toBe(true);
    await openRun(root, { manifest });
    expect((await readdir(root)).sort()).toEqual(['manifest.json', 'report.html']);
  });

  it('removes its temporary file when the rename fails', async () => {
    await mkdir(join(folder, 'taken', 'inside'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'taken'), 'x')).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['taken']);
  });
});

describe('openRun', () => {
  it('records what was run', async () => {
    const run = await openRun(join(folder, 'new', 'run'), { manifest });
    expect(run.resumed).toBe(false);
    await run.update({ modelHashes: { 'models/a.onnx': '12' } });
    await run.update({ modelHashes: { 'models/b.onnx': '34' }, finishedAt: '2026-01-01T00:00:00Z' });
    const saved = JSON.parse(await readFile(run.path('manifest.json'), 'utf8'));
    expect(saved).toMatchObject({ ...manifest, modelHashes: { 'models/a.onnx': '12', 'models/b.onnx': '34' } });
    expect(Number.isNaN(Date.parse(saved.startedAt))).toBe(false);
    expect(run.manifest).toEqual(saved);
  });

  it('does a step once, and gives the same plain result to the run that resumes', async () => {
    let calls = 0;
    const compute = async () => ({ accuracy: 0.5, skipped: undefined, call: ++calls });
    const first = await (await openRun(folder, { manifest })).step('evaluate-robust', compute);
    const run = await openRun(folder, { manifest });
    expect(run.resumed).toBe(true);
    const second = await run.step('evaluate-robust', compute);
    expect([first, second, calls]).toEqual([{ accuracy: 0.5, call: 1 }, { accuracy: 0.5, call: 1 }, 1]);
    expect('skipped' in first).toBe(false);
  });

  it('keeps nothing of a step that failed', async () => {
    const run = await openRun(folder, { manifest });
    await expect(run.step('fails', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(run.step('fails', async () => 7)).resolves.toBe(7);
  });

  it('does a step again when a file it wrote is gone', async () => {
    const run = await openRun(folder, { manifest });
    let calls = 0;
    const train = async () => {
      await run.write('models/a.onnx', `${++calls}`);
      return calls;
    };
    const options = { files: ['models/a.onnx'] };
    await run.step('train', train, options);
    await rm(run.path('models', 'a.onnx'));
    expect(await run.step('train', train, options)).toBe(2);
    expect(await run.step('train', train, options)).toBe(2);
  });

  it.each([
    [
      { ...manifest, configuration: { data: 'shapes', training: { epochs: 12, epsilons: [0, 0.1] } } },
      'training.epochs was 10, now 12',
    ],
    [
      { ...manifest, configuration: { data: 'shapes', training: { epochs: 10, epsilons: [0] } } },
      'training.epsilons was [0,0.1], now [0]',
    ],
    [{ ...manifest, configuration: { data: 'mnist', training: null } }, 'data was "shapes", now "mnist" (and 1 more)'],
    [{ ...manifest, configuration: { ...manifest.configuration, norm: 'l2' } }, 'norm was not set, now "l2"'],
    [{ ...manifest, seeds: { all: 2 } }, 'seeds.all was 1, now 2'],
    [{ ...manifest, dataHashes: { shapes: 'def' } }, 'dataHashes.shapes was "abc", now "def"'],
    [{ ...manifest, command: 'train' }, 'command was "study", now "train"'],
  ])('refuses to resume other settings (%#)', async (other, reason) => {
    await (await openRun(folder, { manifest })).appendMetric({ epoch: 1 });
    await expect(openRun(folder, { manifest: other })).rejects.toThrow(UsageError);
    await expect(openRun(folder, { manifest: other })).rejects.toThrow(
      `The folder ${folder} holds a run with other settings: ${reason}. Choose another --out.`,
    );
  });

  it('names the entry of a long list that differs, and cuts long values', async () => {
    const long = (word: string) => ({ name: word, settings: 'of many words '.repeat(9) });
    const of = (...entries: readonly object[]) => ({
      ...manifest,
      configuration: JSON.parse(JSON.stringify({ metrics: entries })),
    });
    await (await openRun(folder, { manifest: of(long('road'), long('deletion')) })).appendMetric({ epoch: 1 });
    const other = openRun(folder, { manifest: of(long('road'), long('insertion')) });
    await expect(other).rejects.toThrow('metrics.2.name was "deletion", now "insertion". Choose another --out.');
    const fewer = openRun(folder, { manifest: of(long('road')) });
    await expect(fewer).rejects.toThrow(/metrics\.2 was \{"name":"deletion".{57,63} …, now not set\./);
  });

  it('replaces a run that stopped before its first result', async () => {
    await openRun(folder, { manifest: { ...manifest, seeds: { all: 2 } } });
    const run = await openRun(folder, { manifest });
    expect([run.resumed, run.manifest.seeds.all]).toEqual([false, 1]);
    expect(JSON.parse(await readFile(run.path('manifest.json'), 'utf8'))).toEqual(run.manifest);
  });

  it('resumes on another device or version, and says so in the manifest', async () => {
    const elsewhere = { ...manifest, device: 'other', versions: { tempered: '0.2.0' } };
    await (await openRun(folder, { manifest })).appendMetric({ epoch: 1 });
    await openRun(folder, { manifest: elsewhere });
    const run = await openRun(folder, { manifest: elsewhere });
    expect(run.manifest.device).toBe('test');
    expect(run.manifest.resumedElsewhere).toMatchObject([{ device: 'other', versions: { tempered: '0.2.0' } }]);
    expect(JSON.parse(await readFile(run.path('manifest.json'), 'utf8'))).toEqual(run.manifest);
  });

  it('leaves folders alone that hold something else', async () => {
    await writeFile(join(folder, 'thesis.txt'), '');
    await expect(openRun(folder, { manifest })).rejects.toThrow(/is not empty and holds no run/);
    await expect(openRun(join(folder, 'thesis.txt'), { manifest })).rejects.toThrow(UsageError);
    expect(await readdir(folder)).toEqual(['thesis.txt']);
  });

  it('starts afresh after a kill before the first manifest', async () => {
    await writeFile(join(folder, '.manifest.json.123-1.unfinished'), '{');
    await openRun(folder, { manifest });
    expect(await readdir(folder)).toEqual(['manifest.json']);
  });

  it('appends metrics, and drops a line torn by a kill', async () => {
    const run = await openRun(folder, { manifest });
    await run.appendMetric({ epoch: 1 });
    await writeFile(run.path('metrics.jsonl'), '{"epoch":2,"lo', { flag: 'a' });
    await (await openRun(folder, { manifest })).appendMetric({ epoch: 2 });
    expect(await readFile(run.path('metrics.jsonl'), 'utf8')).toBe('{"epoch":1}\n{"epoch":2}\n');
  });
});

it('hashes pixels and labels as SHA-256 does', () => {
  const of = (pixels: number[], labels: number[]) =>
    hashDataset(
      fromArrays({
        name: 'two',
        split: 'train',
        classes: ['a', 'b'],
        imageShape: [1, 1, 1],
        pixels: Float32Array.from(pixels),
        labels: Int32Array.from(labels),
      }),
    );
  const bytes = [Float32Array.of(0.25, 1), Int32Array.of(0, 1)].map((array) => Buffer.from(array.buffer));
  expect(of([0.25, 1], [0, 1])).toBe(createHash('sha256').update(Buffer.concat(bytes)).digest('hex'));
  expect(of([0.25, 0.5], [0, 1])).not.toBe(of([0.25, 1], [0, 1]));
  expect(of([0.25, 1], [1, 1])).not.toBe(of([0.25, 1], [0, 1]));
});

describe('hashModelFile', () => {
  /** Fields of a protobuf message: numbers as varints below 128, the rest with its length before it. */
  const message = (...fields: [number, number | string | Buffer][]): Buffer =>
    Buffer.concat(
      fields.map(([field, value]) => {
        if (typeof value === 'number') return Buffer.of(field << 3, value);
        const bytes = Buffer.from(value);
        return Buffer.concat([Buffer.of((field << 3) | 2, bytes.length), bytes]);
      }),
    );

  it('is SHA-256 of the file', async () => {
    const file = join(folder, 'model.onnx');
    const model = createModel({ architecture: 'small-cnn', inputShape: [1, 8, 8], classes: ['a', 'b'], seed: 1 });
    const bytes = writeModelFile(model);
    await writeFile(file, bytes);
    expect(await hashModelFile(file)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('changes with the weights in a file beside the model', async () => {
    // onnx.proto: a tensor w of 2 floats that lie in w.bin.
    const external = message([1, 'location'], [2, 'w.bin']);
    const tensor = message([1, 2], [2, 1], [8, 'w'], [13, external], [14, 1]);
    const model = message([1, 8], [7, message([2, 'g'], [5, tensor])], [8, message([1, ''], [2, 17])]);
    const file = join(folder, 'model.onnx');
    await writeFile(file, model);
    const hashWith = async (...weights: number[]) => {
      await writeFile(join(folder, 'w.bin'), new Uint8Array(Float32Array.from(weights).buffer));
      return hashModelFile(file);
    };
    const first = await hashWith(1, 2);
    expect(await hashWith(1, 3)).not.toBe(first);
    expect(await hashWith(1, 2)).toBe(first);
  });
});

it('leaves settings out that are not set', () => {
  expect(definedSettings({ size: undefined, flip: false, epochs: 0 })).toEqual({ flip: false, epochs: 0 });
});

describe('CSV', () => {
  it('quotes what RFC 4180 says must be quoted', () => {
    const rows = [
      { name: 'a,b', note: 'says "no"' },
      { name: 'two\nlines', value: 0.1 + 0.2, note: null },
    ];
    expect(toCsv(rows)).toBe('name,note,value\r\n"a,b","says ""no""",\r\n"two\nlines",,0.30000000000000004\r\n');
  });

  it('writes tables', async () => {
    const run = await openRun(folder, { manifest });
    expect(await readFile(await run.writeTable('accuracy', [{ epsilon: 0, accuracy: 1 }]), 'utf8')).toBe(
      'epsilon,accuracy\r\n0,1\r\n',
    );
  });
});

it.each([
  [{ loss: [1, Number.NaN] }, 'result.loss[1] is NaN'],
  [{ image: new Float32Array(1) }, 'result.image is a Float32Array'],
  [{ when: new Date(0) }, 'result.when is a Date'],
  [[undefined], 'result[0] is undefined'],
])('refuses what JSON would change (%#)', (value, reason) => {
  expect(() => plainCopy(value, 'result')).toThrow(reason);
});
