/** @file Checks what would be published: publint's rules, and which files the packages hold. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { PACKAGES } from './layers.js';

/** @type {Readonly<Record<string, readonly string[]>>} */
const NEEDED = {
  'onnx-grad': ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts'],
  tempered: [
    'README.md',
    'LICENSE',
    'bin/tempered.js',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/node.js',
    'dist/web.js',
    'dist/cli/main.js',
    // Workers are found by URL, beside the modules that start them.
    'dist/runtime/node/ort-worker.js',
    'dist/runtime/web/wasm-worker.js',
    'dist/runtime/web/webgpu-worker.js',
    'src/index.ts',
  ],
};
const UNWANTED = /\.test\.|(^|\/)testing\/|tsbuildinfo|node_modules|(^|\/)test\//;
const MOST_BYTES = 2 ** 21;

const problems = [];
for (const name of Object.keys(PACKAGES)) {
  const folder = fileURLToPath(new URL(`../packages/${name}`, import.meta.url));
  const { messages, pkg } = await publint({ pkgDir: folder, strict: true });
  problems.push(...messages.map((message) => `${name}: ${formatMessage(message, pkg, { color: false })}`));

  const { files, size } = packed(folder);
  const there = new Set(files);
  problems.push(
    ...(NEEDED[name] ?? []).filter((file) => !there.has(file)).map((file) => `${name}: ${file} is missing`),
  );
  problems.push(
    ...files.filter((file) => UNWANTED.test(file)).map((file) => `${name}: ${file} should not be published`),
  );
  if (size > MOST_BYTES) problems.push(`${name}: ${size} bytes packed, more than ${MOST_BYTES}`);
  console.log(`${name}: ${files.length} files, ${Math.round(size / 1024)} kB packed`);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

/**
 * @param {string} folder of a package
 * @returns {{ files: string[], size: number }} what `npm pack` would write
 */
function packed(folder) {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    // npm is a batch file on Windows.
    shell: process.platform === 'win32',
  });
  const [{ files, size }] = JSON.parse(output);
  return { files: files.map((/** @type {{ path: string }} */ file) => file.path), size };
}
