import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { report, textTable } from './output.ts';

describe('textTable', () => {
  it('aligns words to the left and numbers to the right', () => {
    const rows = [
      ['circle', '8/255', '99.5', '[98.1, 99.9]'],
      ['ring', '0', '5', '[3.2, 7.4]'],
    ];
    expect(textTable(['class', 'ε', 'accuracy %', 'interval'], rows)).toEqual([
      'class       ε  accuracy %      interval',
      'circle  8/255        99.5  [98.1, 99.9]',
      'ring        0           5    [3.2, 7.4]',
    ]);
  });

  it('leaves no blanks at the ends of lines, and stands without rows', () => {
    expect(
      textTable(
        ['a', 'note'],
        [
          ['1', 'x'],
          ['2', ''],
        ],
      ),
    ).toEqual(['a  note', '1  x', '2']);
    expect(textTable(['a', 'b'], [])).toEqual(['a  b']);
  });
});

describe('report', () => {
  const terminal = () => {
    const printed: string[] = [];
    return {
      printed,
      signal: new AbortController().signal,
      onProgress: () => {},
      print: (line: string) => void printed.push(line),
    };
  };
  const common = { seed: 0, device: 'cpu' as const };

  it('prints lines for people, or JSON', async () => {
    const [people, machine] = [terminal(), terminal()];
    await report(people, common, { accuracy: 0.5 }, ['accuracy 50 %']);
    await report(machine, { ...common, json: true }, { accuracy: 0.5 }, ['accuracy 50 %']);
    expect(people.printed).toEqual(['accuracy 50 %']);
    expect(JSON.parse(machine.printed.join('\n'))).toEqual({ accuracy: 0.5 });
  });

  it('writes JSON to a file and still prints the lines', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tempered-'));
    try {
      const { printed, ...shown } = terminal();
      await report(shown, { ...common, json: join(folder, 'out.json') }, { accuracy: 0.5 }, ['accuracy 50 %']);
      expect(printed).toEqual(['accuracy 50 %']);
      expect(JSON.parse(await readFile(join(folder, 'out.json'), 'utf8'))).toEqual({ accuracy: 0.5 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
