import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { ModelError, ShapeError, UnsupportedOpError } from 'onnx-grad';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DataError, DeviceError, UsageError } from '../errors.ts';
import { explainError, runCommand } from './terminal.ts';

const fileError = (code: string, path?: string) =>
  Object.assign(new Error(`${code}: no`), { code, ...(path && { path }) });

describe('explainError', () => {
  it.each<[unknown, string, number]>([
    [new UsageError('ε must be 0 or more'), 'ε must be 0 or more', 2],
    [new DataError('wrong checksum'), 'wrong checksum', 2],
    [new ModelError('no ONNX model'), 'no ONNX model', 2],
    [new ShapeError('rank 3'), 'rank 3', 2],
    [new UnsupportedOpError('Foo', 'no rule for Foo'), 'no rule for Foo', 2],
    [new DeviceError('no adapter'), 'no adapter', 1],
    [fileError('ENOENT', 'a.onnx'), 'a.onnx cannot be read or written: there is no such file or folder', 2],
    [fileError('EACCES', '/out'), '/out cannot be read or written: no permission', 2],
    [fileError('EROFS', '/out'), '/out cannot be read or written: no permission', 2],
    [fileError('EISDIR', '/out'), '/out cannot be read or written: it is a folder, not a file', 2],
    [fileError('EISDIR'), 'a file cannot be read or written: it is a folder, not a file', 2],
    [fileError('ENOSPC', '/out'), '/out cannot be read or written: ENOSPC', 2],
    [new DOMException('Interrupted.', 'AbortError'), 'Interrupted.', 130],
    ['thrown', 'thrown', 1],
  ])('%s', (error, message, code) => {
    expect(explainError(error)).toEqual({ message, code });
  });

  it('tells of files as Node reports them', async () => {
    const error = await readFile(tmpdir()).catch((reason) => reason);
    expect(explainError(error)).toMatchObject({
      message: expect.stringContaining('it is a folder, not a file'),
      code: 2,
    });
  });

  it('shows where an error of ours came from', () => {
    const { message, code } = explainError(new TypeError('x is undefined'));
    expect(message).toMatch(/TypeError: x is undefined\n\s+at /);
    expect(code).toBe(1);
  });
});

describe('runCommand', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });

  const written = (stream: NodeJS.WriteStream) => {
    const lines: string[] = [];
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      lines.push(String(text));
      return true;
    });
    return lines;
  };

  it('prints results to standard output and, where there is no terminal, a line to standard error for stages that last', async () => {
    const [out, err] = [written(process.stdout), written(process.stderr)];
    let time = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => time);
    await runCommand(async ({ print, onProgress }) => {
      for (const [stage, milliseconds] of [
        ['read', 1000],
        ['attack', 2000],
        ['explain', 900],
      ] as const) {
        for (const done of [0, 1, 2, 3]) {
          onProgress({ stage, done, total: 3 });
          time += milliseconds;
        }
      }
      print('done');
    });
    expect([out, err]).toEqual([['done\n'], ['read\n', 'attack\n']]);
    expect(process.exitCode).toBeUndefined();
  });

  it('counts rate and time left from where the stage began: a training that goes on, or its second epoch', async () => {
    const err = written(process.stderr);
    let time = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => time);
    const terminal = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
    Object.defineProperty(process.stderr, 'isTTY', { value: true, configurable: true });
    try {
      await runCommand(async ({ onProgress }) => {
        for (const done of [1000, 1010, 1020]) {
          onProgress({ stage: 'epoch 2', done, total: 1120 });
          time += 1000;
        }
      });
    } finally {
      if (terminal) Object.defineProperty(process.stderr, 'isTTY', terminal);
      else Reflect.deleteProperty(process.stderr, 'isTTY');
    }
    expect(err.join('')).toContain('epoch 2 1020/1120, 10.0/s, 10 s left');
  });

  it('turns a mistake into one line and exit code 2', async () => {
    const err = written(process.stderr);
    await runCommand(() => Promise.reject(new UsageError('ε must be 0 or more')));
    expect(err).toEqual(['error: ε must be 0 or more\n']);
    expect(process.exitCode).toBe(2);
  });

  it('stops the work at Ctrl-C, and takes its handlers away again', async () => {
    const err = written(process.stderr);
    const before = process.listenerCount('SIGINT');
    await runCommand(async ({ signal }) => {
      process.emit('SIGINT');
      signal.throwIfAborted();
    });
    expect(err).toEqual(['Interrupted.\n']);
    expect(process.exitCode).toBe(130);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
