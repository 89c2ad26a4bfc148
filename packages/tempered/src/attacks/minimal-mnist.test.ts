/** @file Minimal-norm attacks on published weights: what they find is consistent with each other and with PGD at fixed radii. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDataset } from '../data/node/load.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Attack, perturb } from './attack.ts';
import { fab } from './fab.ts';
import { fmn } from './fmn.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { pgd } from './pgd.ts';
import { targeted } from './targeted.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const verbose = Boolean(process.env.VERBOSE);
const COUNT = verbose ? 50 : 16;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** The attack of the published table. */
function tablePgd(keep: 'last' | 'first', steps: number): Attack {
  return pgd({ steps, stepSize: 0.01, randomStart: false, keep });
}

const ATTACKS: readonly (readonly [string, Attack])[] = [
  ['FAB', fab({ steps: 20 })],
  ['FMN toward 3 classes', targeted(fmn({ norm: 'linf', steps: 60 }), { top: 3 })],
  ['PGD, ε-search', minimalEpsilon(pgd({ loss: 'margin', keep: 'first' }), { start: 0.1, tolerance: 0.03 })],
  ...(verbose
    ? ([
        ['FAB-T', fab({ steps: 20, targets: 9 })],
        ['FMN', fmn({ norm: 'linf' })],
        ['PGD of the table, ε-search', minimalEpsilon(tablePgd('first', 100), { start: 0.1, tolerance: 0.01 })],
      ] as const)
    : []),
];

const median = (values: ArrayLike<number>) => Array.from(values).sort((a, b) => a - b)[values.length >> 1]!;

describe.skipIf(!existsSync(shared))('on MNIST with published weights (needs ../shared)', () => {
  it.each(verbose ? (['normal', 'adv', 'trades'] as const) : (['normal'] as const))(
    'mnist-small-%s',
    async (training) => {
      const dataDir = new URL('data/mnist', shared).pathname;
      const dataset = await loadDataset({ name: 'mnist', dataDir, split: 'test', count: COUNT });
      const { images, labels } = dataset.batch(Uint32Array.from({ length: COUNT }, (_, i) => i));
      const model = readModel(readFileSync(new URL(`models/mnist-small-${training}.onnx`, shared)));
      const classifier = new Classifier(model, runtime);
      const nearest = new Float64Array(COUNT).fill(Infinity);
      const medians: number[] = [];
      for (const [name, attack] of ATTACKS) {
        const begin = performance.now();
        const { success, distance, gradients } = await perturb(classifier, attack, { images, labels });
        const seconds = (performance.now() - begin) / 1000;
        expect([...success].every(Boolean), `${name} breaks every image`).toBe(true);
        for (const [i, length] of distance.entries()) nearest[i] = Math.min(nearest[i]!, length);
        medians.push(median(distance));
        if (verbose)
          console.log(
            `${training}: ${name}: median ${median(distance).toFixed(4)}, largest ${Math.max(...distance).toFixed(3)}, ${gradients / COUNT} gradients an image, ${seconds.toFixed(1)} s`,
          );
      }
      expect(Math.max(...medians)).toBeLessThan(1.2 * Math.min(...medians));
      const attack = tablePgd('last', verbose ? 200 : 50);
      const epsilons = training === 'normal' ? [0.05, 0.1] : [0.2, 0.3, 0.35];
      for (const [k, { success }] of (await perturb(classifier, attack, { images, labels, epsilons })).entries()) {
        const broken = success.reduce((a, b) => a + b, 0);
        // As much as the search for the radius may miss.
        const near = nearest.filter((length) => length <= 1.01 * epsilons[k]!).length;
        if (verbose) console.log(`${training}: ε ${epsilons[k]}: PGD breaks ${broken}, ${near} are nearer than that`);
        expect(near).toBeGreaterThanOrEqual(broken);
      }
    },
    600_000,
  );
});
