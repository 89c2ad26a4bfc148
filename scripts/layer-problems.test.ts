import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { layerProblems } from './layer-problems.js';
import { ROWS } from './layers.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'layers-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function check(files: Readonly<Record<string, string>>): Promise<string[]> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, 'packages', file)), { recursive: true });
    await writeFile(join(root, 'packages', file), text);
  }
  return layerProblems(root);
}

it('accepts imports that point downwards, and tests that import anything', async () => {
  const files = {
    'onnx-grad/src/index.ts': "export * from './graph.ts';",
    'tempered/src/cli/main.ts': "import { readFile } from 'node:fs';\nimport '../models/node/load.ts';",
    'tempered/src/models/node/load.ts': "import sharp from 'sharp';\nimport '../classifier.ts';",
    'tempered/src/models/classifier.ts': "import type { Graph } from 'onnx-grad';\nimport '../tensor.ts';",
    'tempered/src/models/classifier.test.ts': "import 'node:fs';\nimport '../cli/main.ts';",
  };
  expect(await check(files)).toEqual([]);
});

it.each([
  [
    'upwards',
    'tempered/src/data/x.ts',
    "\nimport '../models/y.ts';",
    "x.ts:2: room 'data' must not import room 'models'",
  ],
  [
    'types, upwards',
    'tempered/src/data/x.ts',
    "import type { Y } from '../models/y.ts';",
    "must not import room 'models'",
  ],
  ['sideways', 'tempered/src/synthesis/x.ts', "import '../attribution/y.ts';", 'in the same row'],
  ['dynamic', 'tempered/src/tensor.ts', "await import('./study/study.ts');", "must not import room 'study'"],
  ['a worker', 'tempered/src/image/x.ts', "new URL('../runtime/w.js', import.meta.url)", "import room 'runtime'"],
  ['a new room', 'tempered/src/kitchen/x.ts', "import '../tensor.ts';", "room 'kitchen' is not in the table"],
  ['Node in a browser file', 'tempered/src/data/x.ts', "import 'node:fs';", "imports 'node:fs', which needs Node"],
  ['sharp in a browser file', 'tempered/src/image/x.ts', "import 'sharp';", "imports 'sharp', which needs Node"],
  [
    'Node files',
    'tempered/src/models/x.ts',
    "import './node/load.ts';",
    "imports 'models/node/load.ts', which needs Node",
  ],
  [
    'the package above',
    'onnx-grad/src/x.ts',
    "import 'tempered';",
    "package 'onnx-grad' must not import package 'tempered'",
  ],
  ['a path into a package', 'tempered/src/x.ts', "import '../../onnx-grad/src/a.ts';", 'by its name'],
])('reports %s', async (_what, file, text, message) => {
  expect(await check({ [file]: text })).toContainEqual(expect.stringContaining(message));
});

it('knows only rooms that exist', async () => {
  const source = new URL('../packages/tempered/src/', import.meta.url);
  for (const room of ROWS.flat()) await access(new URL(room, source));
});
