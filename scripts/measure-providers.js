/**
 * @file Tries every operator on every provider of ONNX Runtime and writes packages/onnx-grad/docs/providers.json, from
 * which the support table is made. Needs Chromium; run it again after an update of ONNX Runtime.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const inProject = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** @type {{ module: typeof import('../packages/tempered/test/browser/measure-providers.ts') }} */
const { module } = await runnerImport(inProject('packages/tempered/test/browser/measure-providers.ts'), {
  resolve: { conditions: ['source', 'module', 'node', 'import', 'default'] },
});
const table = await module.measureProviders();
await writeFile(inProject('packages/onnx-grad/docs/providers.json'), `${JSON.stringify(table, undefined, 2)}\n`);

const bad = Object.entries(table.operators).filter(([, row]) =>
  [row.cpu, row.wasm, row.webgpu].some((support) => support === 'wrong' || support === 'no'),
);
console.log(`${Object.keys(table.operators).length} operators: ${JSON.stringify(table.providers)}, ${table.browser}`);
for (const [operator, row] of bad) console.log(`${operator}: ${JSON.stringify(row)}`);
