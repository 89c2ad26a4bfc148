import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../../attacks/pgd.ts';
import { targeted } from '../../attacks/targeted.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { roundedActivations, wavyInput } from '../../models/testing/masked-models.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CheckId, HonestyCheck } from './check.ts';
import { checkHonesty } from './check-honesty.ts';
import { evaluateWithRepair } from './evaluate-with-repair.ts';
import { blobs, fittedModel } from './testing/fitted-model.ts';

let runtime: Runtime;
const plain = fittedModel();
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const attacks = {
  entropy: pgd({ steps: 20, keep: 'worst' }),
  margin: targeted(pgd({ steps: 20, loss: 'margin', keep: 'worst' }), { top: 2 }),
};

async function checksOf(model: ModelDescription): Promise<HonestyCheck[]> {
  const classifier = new Classifier(model, runtime);
  const dataset = blobs(30);
  const evaluated = await evaluateWithRepair(classifier, { dataset, attacks, epsilons: [0.02, 0.2], seed: 1 });
  const record = { modelHash: 'abc' };
  const checks = await checkHonesty(classifier, {
    dataset,
    attacks,
    evaluated,
    record,
    seed: 1,
    images: 20,
    queries: 2000,
  });
  if (process.env.VERBOSE)
    for (const { id, verdict, evidence, advice } of checks)
      console.log(id, verdict, evidence, advice ? `→ ${advice}` : '');
  return checks;
}

const failed = (checks: readonly HonestyCheck[]) =>
  checks.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
const ALL = 'C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C19 C20 C21 C22'.split(' ');

describe('every check has a verdict', () => {
  it('plain: nothing fails', async () => {
    const checks = await checksOf(plain);
    expect(checks.map(({ id }) => id).sort()).toEqual(ALL.sort());
    expect(failed(checks)).toEqual([]);
    const warned = checks.filter(({ verdict }) => verdict === 'warn').map(({ id }) => id);
    // Thirty images are too few, and 20 steps leave a little to be found.
    expect(['C17', 'C5', 'C7']).toEqual(expect.arrayContaining(warned));
  });

  it.each<[string, () => ModelDescription, CheckId[]]>([
    ['rounded activations', () => roundedActivations(plain), ['C8', 'C10']],
    ['input + sine', () => wavyInput(plain, 0.01, 1000), ['C8']],
  ])('%s: what it masks is named', async (_, model, expected) => {
    const checks = await checksOf(model());
    // Straight-through gradients lead more slowly: 20 steps are not enough for them.
    expect(failed(checks).filter((id) => id !== 'C5')).toEqual(expected);
  });
});
