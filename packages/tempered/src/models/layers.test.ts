import { emptyGraph, GraphBuilder, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { HostTensor, Runtime } from '../runtime/runtime.ts';
import { sizeOf } from '../tensor.ts';
import { createModel } from './architectures/index.ts';
import { conv, deconv, type Network, samePads, toSignedRange } from './layers.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

it.each([
  // TensorFlow's SAME: as many zeros as ⌈size / stride⌉ windows need, the odd one after the end.
  { size: 28, kernel: 4, stride: 2, pads: [1, 1] },
  { size: 7, kernel: 4, stride: 2, pads: [1, 2] },
  { size: 32, kernel: 5, stride: 2, pads: [1, 2] },
  { size: 224, kernel: 3, stride: 2, pads: [0, 1] },
  { size: 8, kernel: 4, stride: 1, pads: [1, 2] },
  { size: 7, kernel: 7, stride: 1, pads: [3, 3] },
  { size: 6, kernel: 1, stride: 2, pads: [0, 0] },
])('SAME padding of $size by a kernel of $kernel, stride $stride', ({ size, kernel, stride, pads }) => {
  expect(samePads([size], kernel, stride)).toEqual(pads);
  const [before = 0, after = 0] = pads;
  expect(Math.floor((size + before + after - kernel) / stride) + 1).toBe(Math.ceil(size / stride));
});

function noise(shape: readonly number[], name: string): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  createRandom(4, name).fillNormal(data, 0, 1);
  return { dtype: 'float32', shape, data };
}

it.each([
  { kernel: 4, stride: 2, pad: 'same', small: 3, large: 6 },
  { kernel: 5, stride: 2, pad: 'same', small: 4, large: 8 },
  { kernel: 4, stride: 1, pad: 'valid', small: 4, large: 7 },
] as const)(
  'a deconvolution is the adjoint of the convolution with the same padding: $pad, kernel $kernel',
  async (shape) => {
    const { kernel, stride, pad, small, large } = shape;
    const g = new GraphBuilder(emptyGraph('adjoint'));
    const net: Network = { g, random: createRandom(1) };
    const image = g.input('image', 'float32', [1, 3, large, large]);
    const code = g.input('code', 'float32', [1, 2, small, small]);
    const options = { kernel, stride, bias: false };
    const down = conv(net, image, { ...options, name: 'down', channels: 2, pad: pad === 'same' ? 'same' : 0 });
    const up = deconv(net, code, { ...options, name: 'up', channels: 3, pad });
    expect([down.shape, up.shape]).toEqual([code.shape, image.shape]);
    const product = (a: Value, b: Value) => g.reduceSum(g.mul(a, b), [0, 1, 2, 3]);
    g.output(product(down, code), 'left');
    g.output(product(image, up), 'right');
    // Both weights are [2, 3, kernel, kernel].
    g.graph.initializers.set('up.weight', g.graph.initializers.get('down.weight')!);
    const program = await runtime.compile(writeModel(g.graph));
    const { fetched } = await program.run({ image: noise(image.shape, 'image'), code: noise(code.shape, 'code') });
    expect(Number(fetched.left!.data[0])).toBeCloseTo(Number(fetched.right!.data[0]), 3);
  },
);

it('pixels are moved from [0, 1] to [-1, 1]', async () => {
  const g = new GraphBuilder(emptyGraph('range'));
  const net = { g, random: createRandom(0) };
  g.output(toSignedRange(net, g.input('x', 'float32', [1, 1, 1, 3])), 'y');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({
    x: { dtype: 'float32', shape: [1, 1, 1, 3], data: Float32Array.of(0, 0.25, 1) },
  });
  expect(Array.from(fetched.y!.data, Number)).toEqual([-1, -0.5, 1]);
});

it('WResnet says which image sizes it takes', () => {
  const create = (size: number) =>
    createModel({ architecture: 'gap-wresnet', inputShape: [3, size, size], classes: ['a', 'b'] });
  expect(() => create(30)).toThrow(UsageError);
  expect(() => create(30)).toThrow('divide by 4, not 30x30');
  expect(create(28).inputShape).toEqual([3, 28, 28]);
});
