/**
 * @file Stronger attacks find what weaker ones find, image by image, on published networks: on ten images always, on 200
 * at every ε with TEMPERED_STRENGTH=1 (an hour on two cores), which also prints the counts.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDataset } from '../data/node/load.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { predict } from '../models/predict.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Tensor, takeRows } from '../tensor.ts';
import { type Attack, perturb } from './attack.ts';
import { autoAttack } from './auto-attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { fgsm } from './fgsm.ts';
import { pgd } from './pgd.ts';
import { square } from './square.ts';
import { worstCase } from './worst-case.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const ALL = process.env.TEMPERED_STRENGTH === '1';
const IMAGES = ALL ? 200 : 10;
const CASES = ALL
  ? ['normal', 'adv', 'trades', 'int2adv'].flatMap((name) =>
      [0.05, 0.1, 0.2, 0.3, 0.35, 0.4].map((epsilon) => [name, epsilon] as const),
    )
  : ([
      ['normal', 0.1],
      ['adv', 0.35],
    ] as const);

describe.skipIf(!existsSync(shared))('on published MNIST networks (needs ../shared)', { timeout: 3_600_000 }, () => {
  let runtime: Runtime;
  let images: Tensor;
  let labels: Int32Array;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 2 });
    const dataset = await loadDataset({ name: 'mnist', dataDir: fileURLToPath(new URL('data/mnist/', shared)) });
    ({ images, labels } = dataset.batch(Uint32Array.from({ length: IMAGES }, (_, i) => i)));
  });
  afterAll(() => runtime.close());

  const load = (name: string) =>
    loadClassifier(fileURLToPath(new URL(`models/mnist-small-${name}.onnx`, shared)), { runtime });

  /** Numbers of those of some images that an attack breaks; images that are wrong unperturbed count as broken. */
  async function brokenBy(classifier: Classifier, attack: Attack, epsilon: number, among: Iterable<number>) {
    const numbers = [...among];
    const part = { images: takeRows(images, numbers), labels: numbers.map((i) => labels[i]!), imageNumbers: numbers };
    const natural = await predict(classifier, part.images);
    const { success } = await perturb(classifier, attack, { ...part, epsilon });
    return new Set(numbers.filter((i, k) => success[k] === 1 || natural[k] !== labels[i]));
  }

  it.each(CASES)('%s at ε = %d: AutoAttack ⊇ PGD-200 ⊇ PGD-40 ⊇ FGSM', async (name, epsilon) => {
    const classifier = await load(name);
    const broken = (attack: Attack, among: Iterable<number> = labels.keys()) =>
      brokenBy(classifier, attack, epsilon, among);
    const byFgsm = await broken(fgsm());
    const by40 = await broken(pgd({ steps: 40, keep: 'first' }));
    const by200 = await broken(pgd({ steps: 200, keep: 'first' }));
    // The form that ../shared/models/README.md gives accuracies for: from the image itself, the last iterate.
    const byPlain = await broken(pgd({ steps: 200, stepSize: 0.01, randomStart: false }));
    // What an attack does to an image does not depend on the others: only these are in question.
    const byPgd = new Set([...by200, ...byPlain]);
    const byAutoAttack = await broken(autoAttack(), byPgd);
    if (ALL)
      console.log(
        `${name} ε=${epsilon}: FGSM ${byFgsm.size}, PGD-40 ${by40.size}, PGD-200 ${by200.size}, plain ${byPlain.size}, of ${byPgd.size} AutoAttack ${byAutoAttack.size}`,
      );
    expect([...byFgsm].filter((i) => !by40.has(i))).toEqual([]);
    expect([...by40].filter((i) => !by200.has(i))).toEqual([]);
    expect([...byPgd].filter((i) => !byAutoAttack.has(i))).toEqual([]);
    await classifier.release();
  });

  it.runIf(ALL)(
    'Square breaks next to nothing that AutoPGD leaves standing on networks with honest gradients',
    async () => {
      const classifier = await load('normal');
      const [queries, epsilon] = [1000, 0.08];
      const some = Array.from({ length: 50 }, (_, i) => i);
      const gradients = worstCase([autoPgd(), autoPgd({ loss: 'targeted-dlr' })]);
      const byGradients = await brokenBy(classifier, gradients, epsilon, some);
      const start = performance.now();
      const bySquare = await brokenBy(classifier, square({ queries }), epsilon, some);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`normal ε=${epsilon}: AutoPGD ${byGradients.size}, Square ${bySquare.size} of 50, in ${seconds} s`);
      expect([...bySquare].filter((i) => !byGradients.has(i)).length).toBeLessThanOrEqual(1);
      expect(bySquare.size).toBeGreaterThan(5);
    },
  );
});
