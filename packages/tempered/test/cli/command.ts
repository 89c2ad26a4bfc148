/** @file Runs the built `tempered` command, and makes small models and data for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createModel, writeModelFile, writeNpz } from '../../src/index.ts';
import { createRandom } from '../../src/random.ts';
import { smallModel } from '../../src/runtime/small-model.ts';

const BIN = fileURLToPath(new URL('../../bin/tempered.js', import.meta.url));

export interface Outcome {
  /** Null when the process was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `tempered ARGS` to its end. `watch` is called with the process at every output, and may kill it; `started`, when it begins. */
export function tempered(
  args: readonly string[],
  watch: (process: ChildProcess, output: string) => void = () => {},
  started: (process: ChildProcess) => void = () => {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    started(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      watch(child, stdout + stderr);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      watch(child, stdout + stderr);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

export interface Folder {
  readonly path: string;
  file(...names: string[]): string;
  write(name: string, content: Uint8Array | string): Promise<string>;
  /** Every file in it, by path. */
  list(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'tempered-cli-'));
  const file = (...names: string[]) => join(path, ...names);
  return {
    path,
    file,
    write: async (name, content) => {
      await writeFile(file(name), content);
      return file(name);
    },
    list: async () => (await readdir(path, { recursive: true })).sort(),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

export const CLASSES = ['left', 'right', 'none'];

/** An untrained classifier of 1×12×12 images. */
export const smallClassifier = (): Uint8Array =>
  writeModelFile(
    createModel({ architecture: 'small-cnn', inputShape: [1, 12, 12], classes: CLASSES, seed: 1, name: 'small' }),
  );

/** Images of 1×12×12 in an .npz file: noise, brighter on the left, on the right, or nowhere. */
export function smallData(count: number): Uint8Array {
  const random = createRandom(7, 'cli');
  const images = new Uint8Array(count * 144);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < 144; p++) {
      const isLeft = p % 12 < 6;
      const isBright = (labels[i] === 0 && isLeft) || (labels[i] === 1 && !isLeft);
      images[i * 144 + p] = 60 * random.uniform() + (isBright ? 120 : 40);
    }
  }
  return writeNpz({
    images: { shape: [count, 12, 12], data: images },
    labels: { shape: [count], data: labels },
  });
}

/** Images of `linearProblem`. */
export const LINEAR_COUNT = 40;

/** Logits 0 and w · x of 1×2×2 images. Its label flips within ε exactly when |w · x| < ε ‖w‖₁ (Goodfellow et al. 2015, §3). */
export function linearProblem(scale = 1) {
  const weight = [1, -2, 1.5, -0.4];
  const random = createRandom(5, 'linear');
  const images = new Float32Array(LINEAR_COUNT * 4);
  // Far enough from 0 and 1 that the box does not shorten any perturbation.
  random.fillUniform(images, 0.2, 0.8);
  const margins = Array.from({ length: LINEAR_COUNT }, (_, i) =>
    weight.reduce((sum, w, p) => sum + w * images[4 * i + p]!, 0),
  );
  const norm = weight.reduce((sum, w) => sum + Math.abs(w), 0);
  const model = smallModel({
    inputs: { x: { dtype: 'float32', shape: undefined } },
    constants: {
      w: { dtype: 'float32', shape: [4, 2], data: Float32Array.from(weight.flatMap((w) => [0, scale * w])) },
      shape: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, 4n) },
    },
    nodes: [
      { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'w'], outputs: ['logits'] },
    ],
    outputs: { logits: 'float32' },
  });
  const labels = Uint8Array.from(margins, (margin) => Number(margin > 0));
  const data = writeNpz({
    images: { shape: [LINEAR_COUNT, 1, 2, 2], data: images },
    labels: { shape: [LINEAR_COUNT], data: labels },
  });
  return { weight, images, model, data, stands: (epsilon: number) => margins.map((m) => Math.abs(m) > epsilon * norm) };
}
