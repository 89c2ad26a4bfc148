import type { Tensor } from '../tensor.ts';

/** Takes the rows of a tensor one at a time, in any order; there is none before `tensor` without all of them. */
export function collectRows(count: number) {
  let data = new Float32Array(0);
  return {
    put(row: number, values: ArrayLike<number>): void {
      if (data.length === 0) data = new Float32Array(count * values.length);
      data.set(values, row * values.length);
    },
    /** @param shape of one row */
    tensor: (shape: readonly number[]): Tensor => ({ shape: [count, ...shape], data }),
  };
}
