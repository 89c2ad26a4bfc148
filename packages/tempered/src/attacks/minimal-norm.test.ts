import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Attack, normOf, perturb } from './attack.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { ddn } from './ddn.ts';
import { deepFool } from './deep-fool.ts';
import { fab } from './fab.ts';
import { fmn } from './fmn.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { pgd } from './pgd.ts';
import { targeted } from './targeted.ts';
import { affineBenchmark } from './testing/affine-benchmark.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const rows: Record<string, unknown>[] = [];
afterAll(() => {
  if (process.env.VERBOSE) console.table(rows);
});

async function measure(name: string, attack: Attack) {
  const { classifier, images, labels, optimum } = affineBenchmark(runtime, { seed: Number(process.env.SEED ?? 1) });
  const norm = normOf(attack)!;
  const begin = performance.now();
  const found = await perturb(classifier, attack, { images, labels });
  const seconds = (performance.now() - begin) / 1000;
  const broken = [...labels.keys()].filter((i) => found.success[i] === 1);
  const ratios = broken.map((i) => found.distance[i]! / optimum[norm][i]!).sort((a, b) => a - b);
  const at = (share: number) => ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))]!;
  const row = {
    attack: name,
    norm,
    success: ratios.length / labels.length,
    min: ratios[0]!.toFixed(6),
    median: at(0.5).toFixed(6),
    p95: at(0.95).toFixed(5),
    max: at(1).toFixed(5),
    seconds: seconds.toFixed(2),
    forwards: found.forwards / labels.length,
    gradients: found.gradients / labels.length,
  };
  rows.push(row);
  return row;
}

describe('on affine classifiers', () => {
  it.each(['linf', 'l2', 'l1'] as const)('DeepFool in %s', async (norm) => {
    await measure('deepfool', deepFool({ norm }));
    const row = await measure('deepfool+10', deepFool({ norm, finalSearch: 10 }));
    expect(row.success).toBe(1);
  });

  it.each(['linf', 'l2', 'l1'] as const)('FAB in %s', async (norm) => {
    await measure('fab', fab({ norm }));
    await measure('fab no final', fab({ norm, finalSearch: 0 }));
    await measure('fab 20', fab({ norm, steps: 20 }));
    await measure('fab 5', fab({ norm, restarts: 5, steps: 20 }));
    const row = await measure('fab-t', fab({ norm, targets: 9, steps: 20 }));
    expect(row.success).toBe(1);
  });

  it.each(['linf', 'l2', 'l1'] as const)('FMN in %s', async (norm) => {
    await measure('fmn', fmn({ norm }));
    await measure('fmn 10', fmn({ norm, finalSearch: 10 }));
    await measure('fmn all', targeted(fmn({ norm }), 'all'));
    await measure(
      'pgd eps',
      minimalEpsilon(pgd({ norm, loss: 'margin', steps: 50, randomStart: false, keep: 'worst' })),
    );
    await measure(
      'pgd-t eps',
      minimalEpsilon(targeted(pgd({ norm, loss: 'margin', steps: 50, randomStart: false, keep: 'worst' }), 'all')),
    );
  });
  it('DDN', async () => {
    await measure('ddn', ddn());
    await measure('ddn margin', ddn({ loss: 'margin' }));
    await measure('ddn margin all', targeted(ddn({ loss: 'margin' }), 'all'));
  });
  it('CW', async () => {
    await measure('cw', carliniWagner());
    await measure('cw .01', carliniWagner({ startMargin: 0.01 }));
    await measure('cw 10', carliniWagner({ finalSearch: 10 }));
    await measure('cw c=1', carliniWagner({ weight: 0.1 }));
    await measure('cw all', targeted(carliniWagner({ steps: 300 }), 'all'));
  });
});
