/**
 * @file Random directions for attacks that need many: windows of one table of noise that stays with the engine, so that
 * numbers, not pixels, are drawn in the loop (Salimans et al. 2017, "Evolution strategies", §2.1).
 */
import type { GraphBuilder, Value } from 'onnx-grad';
import { feed } from '../models/batching.ts';
import { createRandom, type Random } from '../random.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';

export interface NoiseTable {
  readonly values: ResidentTensor;
  /** How many windows there are: one starts at each of the first entries. */
  readonly windows: number;
}

/** Standard normal numbers, or uniform ones in [−1, 1): windows of `size` of them. The caller releases the values. */
export async function noiseTable(
  runtime: Runtime,
  kind: 'normal' | 'uniform',
  size: number,
  seed: number,
): Promise<NoiseTable> {
  // 256 images full, within reason. Positions are float32 in the graph, which counts to 2²⁴.
  const length = Math.max(2 ** 16, Math.min(256 * size, 2 ** 20), 4 * size);
  const data = new Float32Array(Math.min(2 ** 24, length));
  const random = createRandom(seed, 'noise table', kind);
  if (kind === 'normal') random.fillNormal(data, 0, 1);
  else random.fillUniform(data, -1, 1);
  const values = await runtime.upload(feed({ shape: [data.length], data }));
  return { values, windows: data.length - size + 1 };
}

/** Feeds for `writeDirections`: where the windows of `rows` directions start, and their signs. */
export interface Directions {
  readonly offset: HostTensor;
  readonly sign: HostTensor;
}

/** Draws directions for the first `used` of `rows` rows; in `pairs`, every second one is the opposite of the one before. */
export function drawDirections(
  random: Random,
  { windows }: NoiseTable,
  { rows, used, pairs }: { rows: number; used: number; pairs: boolean },
): Directions {
  const offset = new Float32Array(rows);
  const sign = new Float32Array(rows);
  for (let row = 0; row < used; row++) {
    const mirrored = pairs && row % 2 === 1;
    offset[row] = mirrored ? offset[row - 1]! : random.integer(windows);
    sign[row] = mirrored ? -sign[row - 1]! : random.bits() & 1 ? 1 : -1;
  }
  return { offset: feed({ shape: [rows], data: offset }), sign: feed({ shape: [rows], data: sign }) };
}

/** Writes directions of a shape, [rows, ...shape]; reads `table`, `offset` and `sign`. */
export function writeDirections(g: GraphBuilder, table: number, rows: number, shape: readonly number[]): Value {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = g.input('table', 'float32', [table]);
  const column = (name: string) => g.reshape(g.input(name, 'float32', [rows]), [rows, 1]);
  const counting = g.constant(
    Array.from({ length: size }, (_, i) => i),
    [1, size],
  );
  const at = g.cast(g.add(column('offset'), counting), 'int32');
  return g.reshape(g.mul(g.gather(values, at, 0), column('sign')), [rows, ...shape]);
}
