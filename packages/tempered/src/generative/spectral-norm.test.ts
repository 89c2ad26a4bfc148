import { emptyGraph, GraphBuilder, gradient, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samePads } from '../models/layers.ts';
import { createRandom } from '../random.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { spectrallyNormalized } from './spectral-norm.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

interface Case {
  channels: number;
  outputs: number;
  height: number;
  width: number;
  kernel: number;
  stride: number;
}

/** The matrix of the convolution, [outputs · H' · W'][channels · H · W], in double precision. */
function explicitMatrix({ channels, outputs, height, width, kernel, stride }: Case, weight: Float32Array): number[][] {
  const [top, left] = samePads([height, width], kernel, stride) as [number, number];
  const rows: number[][] = [];
  for (let o = 0; o < outputs; o++) {
    for (let y = 0; y < Math.ceil(height / stride); y++) {
      for (let x = 0; x < Math.ceil(width / stride); x++) {
        const row = new Array<number>(channels * height * width).fill(0);
        for (let c = 0; c < channels; c++) {
          for (let i = 0; i < kernel; i++) {
            for (let j = 0; j < kernel; j++) {
              const [h, w] = [y * stride + i - top, x * stride + j - left];
              if (h < 0 || w < 0 || h >= height || w >= width) continue;
              row[(c * height + h) * width + w]! += weight[((o * channels + c) * kernel + i) * kernel + j]!;
            }
          }
        }
        rows.push(row);
      }
    }
  }
  return rows;
}

/** By power iteration on AᵀA. */
function largestSingularValue(matrix: readonly number[][]): number {
  let u = matrix[0]!.map((_, i) => Math.sin(i + 1));
  let norm = 0;
  for (let step = 0; step < 3000; step++) {
    const v = matrix.map((row) => row.reduce((sum, a, i) => sum + a * u[i]!, 0));
    const back = u.map((_, i) => matrix.reduce((sum, row, k) => sum + row[i]! * v[k]!, 0));
    norm = Math.hypot(...back);
    u = back.map((value) => value / norm);
  }
  return Math.sqrt(norm);
}

function weightsOf({ channels, outputs, kernel }: Case, scale: number): Float32Array {
  const data = new Float32Array(outputs * channels * kernel ** 2);
  createRandom(2).fillNormal(data, 0, scale);
  return data;
}

/** Program with inputs `weight` and `u`, outputs the normalised weight and the next u. */
async function compileNormalization(shape: Case) {
  const { channels, outputs, height, width, kernel, stride } = shape;
  const attributes = {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: samePads([height, width], kernel, stride),
  };
  const g = new GraphBuilder(emptyGraph('spectral norm'));
  const weight = g.input('weight', 'float32', [outputs, channels, kernel, kernel]);
  const apply = (image: Value) => g.op('Conv', [image, weight], attributes);
  const net = { g, random: createRandom(0) };
  g.output(spectrallyNormalized(net, 'conv', weight, apply, [channels, height, width]), 'normalized');
  g.output(g.value('conv.u_next'), 'next');
  // The stored vector becomes an input.
  const { shape: uShape, data } = g.graph.initializers.get('conv.u')!;
  g.graph.initializers.delete('conv.u');
  g.graph.inputs.push({ name: 'conv.u', dtype: 'float32', shape: uShape });
  return { program: await runtime.compile(writeModel(g.graph)), start: data as Float32Array, uShape };
}

describe.each<Case>([
  { channels: 2, outputs: 3, height: 5, width: 4, kernel: 3, stride: 1 },
  { channels: 3, outputs: 2, height: 6, width: 6, kernel: 4, stride: 2 },
  { channels: 1, outputs: 4, height: 7, width: 5, kernel: 4, stride: 2 },
])('of a $kernel×$kernel convolution of stride $stride, $channels → $outputs, $height×$width', (shape) => {
  const run = async (scale: number, steps: number) => {
    const weight = weightsOf(shape, scale);
    const { program, start, uShape } = await compileNormalization(shape);
    let u = start;
    let normalized = weight;
    for (let step = 0; step < steps; step++) {
      const { fetched } = await program.run({
        weight: { dtype: 'float32', shape: [shape.outputs, shape.channels, shape.kernel, shape.kernel], data: weight },
        'conv.u': { dtype: 'float32', shape: uShape, data: u },
      });
      u = fetched.next!.data as Float32Array;
      normalized = fetched.normalized!.data as Float32Array;
    }
    program.release();
    return { weight, normalized };
  };

  it('has the largest singular value 1 afterwards', async () => {
    const { weight, normalized } = await run(1, 300);
    const exact = largestSingularValue(explicitMatrix(shape, weight));
    expect(exact).toBeGreaterThan(1.5);
    expect(weight[0]! / normalized[0]! / exact).toBeCloseTo(1, 5);
    expect(largestSingularValue(explicitMatrix(shape, normalized))).toBeCloseTo(1, 5);
  });

  it('leaves a kernel alone whose largest singular value is below 1', async () => {
    const { weight, normalized } = await run(0.05, 3);
    expect(largestSingularValue(explicitMatrix(shape, weight))).toBeLessThan(1);
    expect(normalized).toEqual(weight);
  });
});

it('the adjoint in the iteration is that of the convolution', async () => {
  // ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for the padding of an even kernel at stride 2, which is asymmetric at odd sizes.
  const g = new GraphBuilder(emptyGraph('adjoint'));
  const [x, w, y] = [
    g.input('x', 'float32', [1, 2, 7, 5]),
    g.input('w', 'float32', [3, 2, 4, 4]),
    g.input('y', 'float32', [1, 3, 4, 3]),
  ];
  const image = g.op('Conv', [x, w], { kernel_shape: [4, 4], strides: [2, 2], pads: samePads([7, 5], 4, 2) });
  const [back] = gradient(g, { of: image, wrt: [x], cotangent: y }) as [Value];
  g.output(g.reduceSum(g.mul(image, y), [0, 1, 2, 3]), 'left');
  g.output(g.reduceSum(g.mul(x, back), [0, 1, 2, 3]), 'right');
  const program = await runtime.compile(writeModel(g.graph));
  const noise = (shape: number[], name: string) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    createRandom(9, name).fillNormal(data, 0, 1);
    return { dtype: 'float32' as const, shape, data };
  };
  const { fetched } = await program.run({
    x: noise([1, 2, 7, 5], 'x'),
    w: noise([3, 2, 4, 4], 'w'),
    y: noise([1, 3, 4, 3], 'y'),
  });
  expect(Number(fetched.left!.data[0])).toBeCloseTo(Number(fetched.right!.data[0]), 3);
});
