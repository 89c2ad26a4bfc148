/** DeepLIFT adds up on classifiers with every kind of layer: gates, attention, normalisation, pooling, branches. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyToTensor, parseNpy } from '../data/npy.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel } from '../models/load.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attribute } from './attribute.ts';
import { deepLift } from './deep-lift.ts';

const FIXTURES = '../shared/fixtures/pytorch-gradients';
const names = existsSync(FIXTURES) ? readdirSync(FIXTURES) : [];

describe.skipIf(names.length === 0)(`DeepLIFT is complete (skipped where ${FIXTURES} is absent)`, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it.each(names)('%s', async (name) => {
    const path = (file: string) => join(FIXTURES, name, file);
    const { targets } = JSON.parse(readFileSync(path('meta.json'), 'utf8')) as { targets: number[] };
    const images = npyToTensor(parseNpy(readFileSync(path('input.npy')), name));
    const classifier = new Classifier(readModel(readFileSync(path('model.onnx'))), runtime);
    // The logits of this one differ by less than their last digit but one, unless its images are far brighter.
    const scale = name === 'mobilenet-v3' ? 1000 : 1;
    const brighter = { ...images, data: images.data.map((value) => value * scale) };
    const { certificate } = await attribute(classifier, { images: brighter, target: targets, method: deepLift() });
    expect(Math.max(...certificate!.completeness!.map(({ relativeError }) => relativeError))).toBeLessThan(1e-3);
    await classifier.release();
  });
});
