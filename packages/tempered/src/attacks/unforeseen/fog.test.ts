import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { heightMap } from './fog.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

async function surface(displacements: Float32Array, size: number): Promise<Float32Array> {
  const g = new GraphBuilder(emptyGraph('fog'));
  const shape = [1, size * size - 1];
  g.output(heightMap(g, g.input('displacements', 'float32', shape), size), 'surface');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({ displacements: { dtype: 'float32', shape, data: displacements } });
  return Float32Array.from(fetched.surface!.data as Float32Array);
}

/** Diamond-square on one array, point by point. */
function reference(displacements: Float32Array, size: number): Float64Array {
  const map = new Float64Array(size * size);
  const at = (i: number, j: number) => ((i + size) % size) * size + ((j + size) % size);
  let used = 0;
  let wibble = 1;
  for (let step = size; step >= 2; step /= 2, wibble /= 2) {
    const half = step / 2;
    const set = (top: number, left: number, neighbours: readonly (readonly [number, number])[]) => {
      for (let i = top; i < size; i += step)
        for (let j = left; j < size; j += step) {
          const mean = neighbours.reduce((sum, [di, dj]) => sum + map[at(i + di, j + dj)]!, 0) / 4;
          map[at(i, j)] = mean + wibble * (2 * displacements[used++]! - 1);
        }
    };
    set(half, half, [
      [-half, -half],
      [-half, half],
      [half, -half],
      [half, half],
    ]);
    const cross = [
      [-half, 0],
      [half, 0],
      [0, -half],
      [0, half],
    ] as const;
    set(0, half, cross);
    set(half, 0, cross);
  }
  return map;
}

describe('the height map', () => {
  it.each([2, 4, 32])('is the diamond-square surface on a torus of side %i', async (size) => {
    const random = createRandom(2, size);
    const displacements = Float32Array.from({ length: size * size - 1 }, () => random.uniform());
    const found = await surface(displacements, size);
    const expected = reference(displacements, size);
    expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5);
  });

  it('is flat where nothing is displaced', async () => {
    expect(new Set(await surface(new Float32Array(63).fill(0.5), 8))).toEqual(new Set([0]));
  });

  it('is smoother than the noise that it is made of: neighbours differ less than points far apart', async () => {
    const size = 64;
    const random = createRandom(9);
    const map = await surface(
      Float32Array.from({ length: size * size - 1 }, () => random.uniform()),
      size,
    );
    const spread = (shift: number) =>
      map.reduce((sum, value, i) => {
        const other = map[Math.floor(i / size) * size + ((i + shift) % size)]!;
        return sum + (value - other) ** 2;
      }, 0);
    expect(spread(1)).toBeLessThan(spread(4) / 2);
    expect(spread(4)).toBeLessThan(spread(32) / 2);
  });
});
