import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cifarDataset } from '../../data/cifar.ts';
import type { Dataset } from '../../data/dataset.ts';
import { Classifier } from '../../models/classifier.ts';
import { readModel } from '../../models/load.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type Attack, perturb } from '../attack.ts';
import { jpeg } from './jpeg.ts';
import { snow } from './snow.ts';

const shared = new URL('../../../../../../shared/', import.meta.url);

const COUNT = 20;
/** Longer ones than the table's 200, so that fewer do. */
const steps = 25;

// Few images, and others than the table's 200: three standard errors, and 0.07.
describe.skipIf(!existsSync(shared))('against published networks (needs ../shared)', () => {
  let runtime: Runtime;
  let examples: ReturnType<Dataset['batch']>;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
    const file = readFileSync(new URL('data/cifar10/original_test_batch_first20.bin.gz', shared));
    const dataset = cifarDataset([file], { name: 'cifar10', split: 'test' });
    examples = dataset.batch(Uint32Array.from({ length: COUNT }, (_, i) => i));
  });
  afterAll(() => runtime.close());

  it.each<[string, string, Attack, number, number]>([
    ['normal', 'JPEG linf', jpeg({ steps }), 0.25, 0],
    ['normal', 'snow', snow({ steps, stepSize: 0.0179 }), 2, 0],
    ['adv', 'JPEG linf', jpeg({ steps }), 0.25, 0.46],
    ['adv', 'snow', snow({ steps, stepSize: 0.0179 }), 2, 0.115],
  ])(
    'cifar-small-%s under %s keeps the accuracy of Boopathy et al. 2020, table 2',
    async (model, _, attack, epsilon, published) => {
      const classifier = new Classifier(
        readModel(readFileSync(new URL(`models/cifar-small-${model}.onnx`, shared))),
        runtime,
      );
      const { images, labels } = examples;
      const { predictions } = await perturb(classifier, attack, { images, labels, epsilon });
      const accuracy = predictions.filter((k, i) => k === labels[i]).length / COUNT;
      const error = Math.sqrt((published * (1 - published)) / COUNT);
      expect(Math.abs(accuracy - published)).toBeLessThan(0.07 + 3 * error);
    },
  );
});
