import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../models/classifier.ts';
import { modelOf, noiseImages } from '../models/testing/small-models.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, sizeOf, type Tensor } from '../tensor.ts';
import { type AttributeOptions, type AttributionMethod, attribute } from './attribute.ts';
import { conductance, neuronConductance } from './conductance.ts';
import { plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { internalInfluence } from './internal-influence.ts';
import { furthest } from './testing/furthest.ts';

const images = noiseImages(3, [1, 4, 4]);

let runtime: Runtime;
/** Convolution, tanh (named h, [2, 2, 2]), a linear layer and tanh again. */
let network: Classifier;
/** h = 2 x, f = Σ h². */
let squares: Classifier;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
  const parameter = (shape: readonly number[]) => {
    const data = new Float32Array(sizeOf(shape));
    createRandom(4, shape.length).fillNormal(data, 0, 0.7);
    return { dtype: 'float32', shape, data } as const;
  };
  network = new Classifier(
    modelOf([1, 4, 4], 3, (g, x) => {
      const h = g.rename(
        g.tanh(g.op('Conv', [x, g.parameter('kernel', parameter([2, 1, 3, 3]))], { kernel_shape: [3, 3] })),
        'h',
      );
      const top = g.op('Gemm', [g.op('Flatten', [h], { axis: 1 }), g.parameter('top', parameter([3, 8]))], {
        transB: 1,
      });
      return g.rename(g.tanh(top), 'logits');
    }),
    runtime,
  );
  squares = new Classifier(
    modelOf([3], 1, (g, x) => {
      const h = g.rename(g.scale(x, 2), 'h');
      return g.rename(g.reduceSum(g.square(h), [1], true), 'logits');
    }),
    runtime,
  );
});
afterAll(() => runtime.close());

const explain = (method: AttributionMethod, options: Partial<AttributeOptions> = {}) =>
  attribute(network, { images, target: 1, method, ...options });

const x: Tensor = { shape: [1, 3], data: Float32Array.of(1, -2, 0.5) };
const baseline: Tensor = { shape: [3], data: Float32Array.of(0.5, 1, 0) };
const ofSquares = async (method: AttributionMethod) =>
  (await attribute(squares, { images: x, method, layer: 'h' })).attributions.data;

it('conductance and internal influence have their closed forms', async () => {
  // ∂f/∂h = 2 h is linear on the way, and so the midpoint rule is exact.
  const ends = [0, 1, 2].map((k) => [2 * baseline.data[k]!, 2 * x.data[k]!] as const);
  expect(
    furthest(
      await ofSquares(conductance({ baseline, steps: 3 })),
      ends.map(([from, to]) => to ** 2 - from ** 2),
    ),
  ).toBeLessThan(1e-5);
  expect(
    furthest(
      await ofSquares(internalInfluence({ baseline, steps: 3 })),
      ends.map(([from, to]) => from + to),
    ),
  ).toBeLessThan(1e-5);
});

describe('conductance', () => {
  it.each(['left', 'right', 'midpoint', 'trapezoid', 'gauss-legendre'] as const)(
    'adds up to the change of the output with the %s rule, no end of the path left out',
    async (rule) => {
      const { attributions, certificate } = await explain(conductance({ rule, steps: 400 }), { layer: 'h' });
      expect(attributions.shape).toEqual([3, 2, 2, 2]);
      for (const { error } of certificate!.completeness!) expect(error).toBeLessThan(3e-3);
      expect(certificate!.points).toEqual([400, 400, 400]);
    },
  );

  it('of all units, from input to unit, is integrated gradients', async () => {
    const options = { steps: 7, baseline: { average: noiseImages(2, [1, 4, 4], 6) } };
    const whole = await explain(integratedGradients(options));
    const parts = await Promise.all(
      [0, 1].map(
        async (channel) => (await explain(neuronConductance({ unit: `h:${channel}`, ...options }))).attributions.data,
      ),
    );
    expect(
      furthest(
        whole.attributions.data,
        parts[0]!.map((value, k) => value + parts[1]![k]!),
      ),
    ).toBeLessThan(1e-5);
    const places = await Promise.all(
      [0, 1, 2, 3].map(
        async (at) =>
          (await explain(neuronConductance({ unit: `h:1:${Math.floor(at / 2)}:${at % 2}`, ...options }))).attributions
            .data,
      ),
    );
    expect(
      furthest(
        parts[1]!,
        parts[1]!.map((_, k) => places.reduce((sum, place) => sum + place[k]!, 0)),
      ),
    ).toBeLessThan(1e-5);
  });

  it('of a unit, summed over the inputs, is that of the layer there', async () => {
    const layer = await explain(conductance({ steps: 300 }), { layer: 'h' });
    const unit = await explain(neuronConductance({ unit: 'h:1:0:1', steps: 300 }));
    for (let i = 0; i < 3; i++) {
      const sum = rows(unit.attributions, i, i + 1).data.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(layer.attributions.data[8 * i + 5]!, 3);
    }
  });
});

it('a layer at the place of the images has the influence that they have: the mean gradient', async () => {
  // With one step at the end of the way, internal influence is the gradient there.
  const gradient = await explain(plainGradient(), { layer: 'h' });
  const influence = await explain(internalInfluence({ rule: 'right', steps: 1 }), { layer: 'h' });
  expect(furthest(influence.attributions.data, gradient.attributions.data)).toBeLessThan(1e-6);
});

it.each([
  ['conductance', conductance({ steps: 5 }), 'h'],
  ['internal influence', internalInfluence({ steps: 5 }), 'h'],
  ['neuron conductance', neuronConductance({ unit: 'h:0', steps: 5 }), undefined],
] as const)('%s is the same for any batch size', async (_, method, layer) => {
  const whole = await explain(method, { layer, batchSize: 64 });
  for (const batchSize of [1, 4]) {
    const parts = await explain(method, { layer, batchSize });
    expect(furthest(parts.attributions.data, whole.attributions.data)).toBeLessThan(1e-6);
  }
});

it.each<[string, AttributionMethod, Partial<AttributeOptions>, RegExp]>([
  ['conductance of no layer', conductance(), {}, /^conductance is that of a layer: name one with `layer`$/],
  ['influence of no layer', internalInfluence(), {}, /^internal influence is that of a layer: name one with `layer`$/],
  [
    'a layer beside a unit',
    neuronConductance({ unit: 'h:0' }),
    { layer: 'h' },
    /^neuron conductance attributes to the input: leave out the layer 'h'$/,
  ],
  [
    'a unit that there is not',
    neuronConductance({ unit: 'h:2' }),
    {},
    /^there is no unit 'h:2': the layer has shape \[2, 2, 2\]$/,
  ],
  ['a layer that there is not', neuronConductance({ unit: 'g:2' }), {}, /has no layer 'g'/],
])('refuses %s', (_, method, options, message) => expect(explain(method, options)).rejects.toThrow(message));
