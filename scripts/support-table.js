/** @file Writes packages/onnx-grad/docs/operators.md from the tables of operators and the measured providers. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const inProject = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** @type {{ module: typeof import('../packages/onnx-grad/src/support-table.ts') }} */
const { module } = await runnerImport(inProject('packages/onnx-grad/src/support-table.ts'));
const measured = inProject('packages/onnx-grad/docs/providers.json');
const providers = existsSync(measured) ? JSON.parse(await readFile(measured, 'utf8')) : undefined;
await writeFile(inProject('packages/onnx-grad/docs/operators.md'), module.supportTable(providers));
