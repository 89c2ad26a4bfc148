import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Attack, normOf, perturb } from './attack.ts';
import { deepFool } from './deep-fool.ts';
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
    min: ratios[0]!,
    median: at(0.5),
    p95: at(0.95),
    max: at(1),
    seconds,
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
});
