/** @file Installs the packed packages into an empty project, as a user would, imports them and checks types against them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKAGES } from './layers.js';

const PROGRAM = `
import { differentiate, GraphBuilder, supportedOperators } from 'onnx-grad';
import * as everywhere from 'tempered';
import { createModel, createNodeRuntime, Classifier, type Perturbed, perturb, pgd, shapes } from 'tempered/node';

const runtime = await createNodeRuntime({ threads: 1 });
const dataset = shapes({ split: 'test', count: 2 });
const { imageShape: inputShape, classes } = dataset;
const classifier = new Classifier(createModel({ architecture: 'small-cnn', inputShape, classes, seed: 0, name: 'small' }), runtime);
const { images, labels } = dataset.batch([0, 1]);
const perturbed: Perturbed = await perturb(classifier, pgd({ steps: 2 }), { images, labels, epsilon: 8 / 255 });
await runtime.close();
const known: boolean = supportedOperators().some(({ name }) => name === 'Conv');
if (!(Math.max(...perturbed.distance) <= 8 / 255 + 1e-6) || typeof everywhere.pgd !== 'function' || !known) process.exit(1);
if (typeof differentiate !== 'function' || typeof GraphBuilder !== 'function') process.exit(1);
`;

const WEB = `
import { attribute, createWebRuntime, smoothGrad } from 'tempered/web';
export const start = (): ReturnType<typeof createWebRuntime> => createWebRuntime({ device: 'wasm' });
export const method = smoothGrad({ samples: 10 });
export { attribute };
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tempered-consumer-'));
try {
  const tarballs = Object.keys(PACKAGES).map((name) => {
    const [{ filename }] = JSON.parse(
      npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], join(root, 'packages', name)),
    );
    return `./${filename}`;
  });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  writeFileSync(join(folder, '.npmrc'), 'onnxruntime-node-install=skip\n');
  npm(['install', '--no-audit', '--no-fund', '--loglevel=error', ...tarballs], folder);
  writeFileSync(join(folder, 'consumer.ts'), PROGRAM);
  writeFileSync(join(folder, 'web.ts'), WEB);
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2023,dom', '--types', 'node'];
  const roots = ['--typeRoots', join(root, 'node_modules', '@types')];
  run(process.execPath, [compiler, ...options, ...roots, 'consumer.ts', 'web.ts'], folder);
  run(process.execPath, ['consumer.js'], folder);
  run(process.execPath, [join('node_modules', 'tempered', 'bin', 'tempered.js'), '--version'], folder);
  console.log('The packed packages install, type-check and run.');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * @param {readonly string[]} args
 * @param {string} cwd
 */
function npm(args, cwd) {
  // npm is a batch file on Windows.
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 */
function run(command, args, cwd) {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
}
