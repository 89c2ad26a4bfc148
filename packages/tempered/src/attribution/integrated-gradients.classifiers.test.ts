/** Completeness on real architectures. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyToTensor, parseNpy } from '../data/npy.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows } from '../tensor.ts';
import { attribute } from './attribute.ts';
import { plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { furthest } from './testing/furthest.ts';

const FIXTURES = '../shared/fixtures/pytorch-gradients';
const present = existsSync(FIXTURES);
const names = present ? readdirSync(FIXTURES).filter((name) => existsSync(join(FIXTURES, name, 'model.onnx'))) : [];

describe.skipIf(!present)(`adaptive integrated gradients (skipped where ${FIXTURES} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it('there are classifiers', () => expect(names.length).toBeGreaterThanOrEqual(13));

  it.each(names)('add up on %s', async (name) => {
    const { targets } = JSON.parse(readFileSync(join(FIXTURES, name, 'meta.json'), 'utf8')) as { targets: number[] };
    const input = npyToTensor(parseNpy(readFileSync(join(FIXTURES, name, 'input.npy')), name));
    const classifier = new Classifier(readModel(readFileSync(join(FIXTURES, name, 'model.onnx'))), runtime);
    const { certificate, output, baseOutput } = await attribute(classifier, {
      images: rows(input, 0, 1),
      target: targets[0]!,
      method: integratedGradients({ rule: 'adaptive' }),
    });
    const { error, difference } = certificate!.completeness![0]!;
    // Of logits near 0.1 that differ by 3e-7, as mobilenet-v3's do, single precision has no third digit.
    const rounding = 2 ** -24 * (Math.abs(output[0]!) + Math.abs(baseOutput![0]!));
    expect(error).toBeLessThanOrEqual(Math.max(1e-3 * Math.abs(difference), rounding));
    expect(certificate!.points![0]).toBeLessThan(500);
    // At the end of the way alone they are the gradient, whatever the network starts with.
    const [there, gradient] = await Promise.all(
      [integratedGradients({ rule: 'right', steps: 1, local: true }), plainGradient()].map(
        async (method) => (await attribute(classifier, { images: input, target: targets, method })).attributions.data,
      ),
    );
    expect(furthest(there!, gradient!)).toBeLessThan(2e-5 * furthest(gradient!, new Float32Array(gradient!.length)));
    await classifier.release();
  });
});
