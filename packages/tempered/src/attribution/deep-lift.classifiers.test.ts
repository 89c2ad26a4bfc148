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

  const load = (name: string) => {
    const path = (file: string) => join(FIXTURES, name, file);
    const { targets } = JSON.parse(readFileSync(path('meta.json'), 'utf8')) as { targets: number[] };
    const images = npyToTensor(parseNpy(readFileSync(path('input.npy')), name));
    return {
      classifier: new Classifier(readModel(readFileSync(path('model.onnx'))), runtime),
      images,
      target: targets,
    };
  };

  it.each(names)('%s', async (name) => {
    const { classifier, images, target } = load(name);
    const { certificate, output } = await attribute(classifier, { images, target, method: deepLift() });
    certificate!.completeness!.forEach(({ sum, difference, error, relativeError }, i) => {
      // Half of the last digit of the logit itself: those of mobilenet-v3 differ by 30 of these at most.
      const rounding = 2 ** (Math.floor(Math.log2(Math.abs(output[i]!))) - 24);
      expect(relativeError < 1e-3 || error < rounding, `${sum} instead of ${difference}`).toBe(true);
    });
    await classifier.release();
  });

  it('mobilenet-v3, with images so bright that its logits differ', async () => {
    const { classifier, images, target } = load('mobilenet-v3');
    const bright = { ...images, data: images.data.map((value) => value * 1000) };
    const { certificate } = await attribute(classifier, { images: bright, target, method: deepLift() });
    expect(Math.max(...certificate!.completeness!.map(({ relativeError }) => relativeError))).toBeLessThan(1e-3);
  });

  it.each(['convnext', 'densenet', 'small-cnn', 'vit'])('%s, by RevealCancel', async (name) => {
    const { classifier, images, target } = load(name);
    const method = deepLift({ rule: 'reveal-cancel', baseline: 'mean' });
    const { certificate } = await attribute(classifier, { images, target, method });
    expect(Math.max(...certificate!.completeness!.map(({ relativeError }) => relativeError))).toBeLessThan(1e-3);
    await classifier.release();
  });
});
