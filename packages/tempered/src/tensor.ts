/** Dense float32 array in row-major order. Images are [N, C, H, W] in [0, 1]. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dimension) => size * dimension, 1);

export function zeros(shape: readonly number[]): Tensor {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}

/** The same number everywhere. */
export function filled(shape: readonly number[], value: number): Tensor {
  return { shape, data: new Float32Array(sizeOf(shape)).fill(value) };
}

/** Rows `start` (inclusive) to `end` (exclusive) along the first axis, as a view. */
export function rows(tensor: Tensor, start: number, end: number): Tensor {
  const [count = 0, ...rest] = tensor.shape;
  const size = sizeOf(rest);
  const last = Math.min(end, count);
  return { shape: [last - start, ...rest], data: tensor.data.subarray(start * size, last * size) };
}

/** The rows at `indices`, copied. */
export function takeRows(tensor: Tensor, indices: ArrayLike<number>): Tensor {
  const [, ...rest] = tensor.shape;
  const size = sizeOf(rest);
  const data = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i]!;
    data.set(tensor.data.subarray(row * size, (row + 1) * size), i * size);
  }
  return { shape: [indices.length, ...rest], data };
}

/** Writes the rows of `from` over those of `into` at `indices`: what `takeRows` took, put back. */
export function putRows(into: Tensor, from: Tensor, indices: ArrayLike<number>): void {
  const size = sizeOf(into.shape.slice(1));
  for (let row = 0; row < indices.length; row++)
    into.data.set(from.data.subarray(row * size, (row + 1) * size), indices[row]! * size);
}

/** Joins tensors along the first axis. */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const [, ...rest] = tensors[0]!.shape;
  const count = tensors.reduce((total, tensor) => total + tensor.shape[0]!, 0);
  const result = zeros([count, ...rest]);
  let offset = 0;
  for (const tensor of tensors) {
    result.data.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return result;
}
