import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { Classifier, type ModelDescription } from '../models/classifier.ts';
import { modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sizeOf } from '../tensor.ts';
import { type AttributeOptions, attribute } from './attribute.ts';
import { methodCatalogue, methodsFrom } from './catalogue.ts';
import { plainGradient } from './gradient.ts';
import { furthest } from './testing/furthest.ts';

const images = noiseImages(2, [1, 6, 6]);
const background = noiseImages(3, [1, 6, 6], 5);

/** Convolution, ReLU (named maps, [2, 6, 6]), global average pooling, a linear layer. */
const model: ModelDescription = modelOf([1, 6, 6], 3, (g, x) => {
  const parameter = (name: string, shape: readonly number[]) => {
    const data = new Float32Array(sizeOf(shape));
    createRandom(4, name).fillNormal(data, 0, 0.7);
    return g.parameter(name, { dtype: 'float32', shape, data });
  };
  const convolved = g.op('Conv', [x, parameter('kernel', [2, 1, 3, 3])], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  const maps = g.rename(g.relu(convolved), 'maps');
  const pooled = g.op('Flatten', [g.op('GlobalAveragePool', [maps])], { axis: 1 });
  return g.rename(g.op('Gemm', [pooled, parameter('top', [3, 2])], { transB: 1 }), 'logits');
});

const quick: Readonly<Record<string, string>> = {
  samples: 'samples=4',
  cells: 'cells=3',
  steps: 'steps=3',
  permutations: 'permutations=2',
  features: 'features=squares-4',
  unit: 'unit=maps:1',
};

const methods = Object.entries(methodCatalogue).map(([name, { settings }]) => {
  const chosen = Object.keys(settings).flatMap((setting) => quick[setting] ?? []);
  return methodsFrom(chosen.length > 0 ? `${name}:${chosen.join(',')}` : name, background)[0]!;
});

let runtime: Runtime;
let shared: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  shared = new Classifier(model, runtime);
});
afterAll(() => runtime.close());

/** The map, or why there is none. */
const outcome = (classifier: Classifier, options: Pick<AttributeOptions, 'method' | 'layer'>) =>
  attribute(classifier, { images, target: 1, ...options }).catch((error: unknown) => error);

describe('on a classifier that every other method has been used on, each gives the map of a new one', () => {
  it.each([undefined, 'maps'])('at the layer %s', async (layer) => {
    const refused: string[] = [];
    for (const { method, name } of [...methods, ...methods]) {
      const options = { method, ...(layer !== undefined && { layer }) };
      const found = await outcome(shared, options);
      const alone = new Classifier(model, runtime);
      const expected = await outcome(alone, options);
      await alone.release();
      if (found instanceof Error || expected instanceof Error) {
        expect(String(found), name).toBe(String(expected));
        expect(found).toBeInstanceOf(UsageError);
        refused.push(name);
        continue;
      }
      const [own, other] = [found, expected] as Awaited<ReturnType<typeof attribute>>[];
      expect(own!.attributions.shape, name).toEqual(other!.attributions.shape);
      expect(furthest(own!.attributions.data, other!.attributions.data), name).toBeLessThan(1e-6);
      expect(own!.output, name).toEqual(other!.output);
    }
    // Some explain nothing but layers, some nothing but images.
    expect(new Set(refused).size).toBeLessThan(methods.length / 2);
  });
});

it('tokens before images are no layer of images, whether there are as many or not', async () => {
  const tokens = new Classifier(
    modelOf([2, 3], 1, (g, x) => {
      const first = g.rename(g.transpose(x, [1, 0, 2]), 'tokens');
      return g.rename(g.reduceSum(g.transpose(g.square(first), [1, 0, 2]), [1]), 'logits');
    }),
    runtime,
  );
  for (const count of [1, 2, 4])
    await expect(
      attribute(tokens, { images: noiseImages(count, [2, 3]), method: plainGradient(), layer: 'tokens', target: 0 }),
    ).rejects.toThrow(
      `the layer 'tokens' has shape [2, ${count}, 3] for ${count} images: its first axis must be that of the images`,
    );
});

it('a layer of integers cannot be explained', async () => {
  const rounded = new Classifier(
    modelOf([3], 3, (g, x) => g.rename(g.cast(g.rename(g.cast(x, 'int32'), 'whole'), 'float32'), 'logits')),
    runtime,
  );
  await expect(
    attribute(rounded, { images: noiseImages(1, [3]), method: plainGradient(), layer: 'whole' }),
  ).rejects.toThrow(/^the layer 'whole' has values of type int32: only floats can be explained$/);
});
