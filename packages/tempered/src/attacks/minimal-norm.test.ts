/**
 * @file How near attacks come to the smallest perturbations of affine classifiers, which are known exactly.
 * `VERBOSE=1` prints the whole table, with attacks that are not needed to show the point.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Norm } from '../optimize/ball.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { type Attack, normOf, perturb } from './attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { ddn } from './ddn.ts';
import { deepFool } from './deep-fool.ts';
import { fab } from './fab.ts';
import { fmn } from './fmn.ts';
import { minimalEpsilon } from './minimal-epsilon.ts';
import { pgd } from './pgd.ts';
import { targeted } from './targeted.ts';
import { type AffineBenchmark, affineBenchmark } from './testing/affine-benchmark.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  benchmark = affineBenchmark(runtime);
});
afterAll(() => runtime.close());

const verbose = Boolean(process.env.VERBOSE);
const table: Record<string, unknown>[] = [];
afterAll(() => {
  if (verbose) console.table(table);
});

/** One classifier for all attacks, so that what they share is compiled once. */
let benchmark: AffineBenchmark;

async function measure({ name, attack, count = 60 }: Case) {
  const { classifier, optimum } = benchmark;
  const images = rows(benchmark.images, 0, count);
  const labels = benchmark.labels.subarray(0, count);
  const norm = normOf(attack)!;
  const begin = performance.now();
  const { success, distance, forwards, gradients } = await perturb(classifier, attack, {
    images,
    labels,
    batchSize: 64,
  });
  const seconds = (performance.now() - begin) / 1000;
  const broken = [...labels.keys()].filter((i) => success[i] === 1);
  const ratios = broken.map((i) => distance[i]! / optimum[norm][i]!).sort((a, b) => a - b);
  const at = (share: number) => ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))]!;
  const row = { success: ratios.length, least: at(0), median: at(0.5), p95: at(0.95), max: at(1) };
  table.push({
    attack: name,
    norm,
    ...Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value.toFixed(5))])),
    seconds: Number(seconds.toFixed(2)),
    forwards: Math.round(forwards / labels.length),
    gradients: Math.round(gradients / labels.length),
  });
  return row;
}

const NORMS = ['linf', 'l2', 'l1'] as const;
const slow = verbose ? 60 : 8;
const towardAll = (attack: Attack) => targeted(attack, 'all');

interface Case {
  readonly name: string;
  readonly attack: Attack;
  /** Images, of the 60; fewer for what takes long. */
  readonly count?: number;
  /** What the median and the largest of distance over optimum may be. */
  readonly median: number;
  readonly max: number;
}

const byNorm = (norm: Norm): Case[] => [
  { name: 'DeepFool', attack: deepFool({ norm }), median: 1.0201, max: 1.04 },
  { name: 'DeepFool, final search', attack: deepFool({ norm, finalSearch: 10 }), median: 1.0001, max: 1.02 },
  { name: 'FAB, 20 steps', attack: fab({ norm, steps: 20 }), median: 1.0001, max: 1.002 },
  { name: 'FAB-T, 20 steps', attack: fab({ norm, steps: 20, targets: 9 }), median: 1.0001, max: 1.002 },
  {
    name: 'FMN toward each class',
    attack: towardAll(fmn({ norm, steps: 75 })),
    count: slow,
    median: 1.0001,
    max: 1.01,
  },
  {
    name: 'PGD toward each class, ε-search',
    attack: minimalEpsilon(towardAll(pgdFor(norm)), { tolerance: 4e-3 }),
    count: slow,
    median: 1.005,
    max: 1.05,
  },
];

/** With steps as long as these, the projection does the rest; along the bare gradient, since in l1 the order of its entries counts. */
function pgdFor(norm: Norm): Attack {
  const along =
    norm === 'linf' ? ({ stepSize: { relative: 0.5 } } as const) : ({ direction: 'gradient', stepSize: 3 } as const);
  return pgd({ norm, loss: 'margin', steps: 3, randomStart: false, keep: 'first', fgsmFirst: false, ...along });
}

const inL2: Case[] = [
  { name: 'DDN', attack: ddn(), median: 1.15, max: 3 },
  {
    name: 'DDN toward each class, margin, final search',
    attack: towardAll(ddn({ loss: 'margin', finalSearch: 10 })),
    median: 1.0001,
    max: 1.002,
  },
  {
    name: 'Carlini-Wagner, 150 steps',
    attack: carliniWagner({ weight: 0.1, steps: 150, searchSteps: 6, learningRate: [0.02, 0.001], finalSearch: 10 }),
    median: 1.01,
    max: 1.3,
  },
];

const onRequest = (norm: Norm): Case[] => [
  ...(norm === 'l2' ? [{ name: 'Carlini-Wagner', attack: carliniWagner(), median: 1.002, max: 1.25 }] : []),
  { name: 'FAB, 100 steps', attack: fab({ norm }), median: 1.0001, max: 1.001 },
  { name: 'FMN', attack: fmn({ norm }), median: 1.0001, max: 1.6 },
  { name: 'PGD, ε-search', attack: minimalEpsilon(pgdFor(norm)), median: 1.01, max: 2 },
  {
    name: 'AutoPGD, targeted DLR, ε-search',
    attack: minimalEpsilon(autoPgd({ norm, loss: 'targeted-dlr', steps: 50 }), { tolerance: 0.01 }),
    median: 1.01,
    max: norm === 'l1' ? 1.3 : 1.05,
  },
];

describe.each(NORMS)('in %s, on images of an affine classifier', (norm) => {
  it.each([...byNorm(norm), ...(norm === 'l2' ? inL2 : []), ...(verbose ? onRequest(norm) : [])])(
    '$name',
    async (each) => {
      const { median, max, count = 60 } = each;
      const found = await measure(each);
      expect(found.success).toBe(count);
      expect(found.median).toBeLessThanOrEqual(median);
      expect(found.max).toBeLessThanOrEqual(max);
      // Logits are rounded to single precision: the class may change that much before the exact boundary.
      expect(found.least).toBeGreaterThan(1 - 1e-4);
    },
    300_000,
  );
});
