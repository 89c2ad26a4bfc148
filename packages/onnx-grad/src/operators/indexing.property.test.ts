import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { type NumericArray, toNumeric } from '../evaluate/array.ts';
import { evaluateGraph } from '../evaluate/evaluate-graph.ts';
import { gradient } from '../gradient.ts';
import { sizeOf, type Tensor } from '../graph.ts';
import type { Value } from '../value.ts';
import { copyStrided, permuteAxes, stridesOf } from './strided.ts';

// The naive models work on nested lists, one axis at a time, and know nothing of strides.
type Nested = number | Nested[];

const nest = (data: ArrayLike<number>, shape: readonly number[]): Nested => {
  const [length, ...rest] = shape;
  if (length === undefined) return data[0]!;
  const size = sizeOf(rest);
  return Array.from({ length }, (_, i) => nest(Array.from(data).slice(i * size, (i + 1) * size), rest));
};
const flat = (x: Nested): number[] => (typeof x === 'number' ? [x] : x.flatMap(flat));
const along = (x: Nested, axis: number, change: (list: Nested[]) => Nested[]): Nested =>
  axis === 0 ? change(x as Nested[]) : (x as Nested[]).map((part) => along(part, axis - 1, change));

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const counting = (shape: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => i + 1),
});

/** Python's own indexing rules, by walking. */
function pythonSlice<T>(list: readonly T[], start: number, end: number, step: number): T[] {
  const n = list.length;
  const wrap = (i: number) => (i < 0 ? i + n : i);
  const taken: T[] = [];
  if (step > 0) {
    for (let i = Math.max(wrap(start), 0); i < Math.min(wrap(end), n); i += step) taken.push(list[i]!);
  } else {
    for (let i = Math.min(wrap(start), n - 1); i > Math.max(wrap(end), -1) && i >= 0; i += step) taken.push(list[i]!);
  }
  return taken;
}

const folded = (value: Value): NumericArray => toNumeric(value.constant!);

test('Slice takes what Python takes', () => {
  const axisSlice = fc.record({
    start: fc.integer({ min: -7, max: 7 }),
    end: fc.oneof(fc.integer({ min: -7, max: 7 }), fc.constantFrom(2 ** 63, -(2 ** 63))),
    step: fc.constantFrom(1, 2, 3, -1, -2, -3),
  });
  fc.assert(
    fc.property(shapes, fc.array(axisSlice, { minLength: 4, maxLength: 4 }), (shape, slices) => {
      // A backward slice from before the beginning is clamped to the first element by ONNX, and empty in Python.
      fc.pre(shape.every((length, axis) => slices[axis]!.step > 0 || slices[axis]!.start >= -length));
      const g = new GraphBuilder();
      const used = slices.slice(0, shape.length);
      const lists = [
        used.map(({ start }) => start),
        used.map(({ end }) => end),
        shape.map((_, axis) => axis - shape.length),
        used.map(({ step }) => step),
      ];
      const tensor = counting(shape);
      const y = folded(
        g.op('Slice', [g.tensor(tensor), ...lists.map((list) => g.constant(list, [list.length], { dtype: 'int64' }))]),
      );
      const expected = used.reduce(
        (x, { start, end, step }, axis) => along(x, axis, (list) => pythonSlice(list, start, end, step)),
        nest(tensor.data as Float32Array, shape),
      );
      expect([...y.data]).toEqual(flat(expected));
    }),
  );
});

test('the gradient of a Slice counts how often each element was taken', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
      fc.constantFrom(1, 2, 3, 4, -1, -2, -3),
      (length, start, end, step) => {
        const g = new GraphBuilder();
        const x = g.input('x', 'float32', [length]);
        const y = g.op('Slice', [x, ...[start, end, 0, step].map((value) => g.integers([value]))]);
        checkCounts(g, x, y);
      },
    ),
  );
});

test('Gather and its gradient', () => {
  const cases = shapes.chain((shape) =>
    fc.nat({ max: shape.length - 1 }).chain((axis) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.constant(axis),
        indices: fc.array(fc.integer({ min: -shape[axis]!, max: shape[axis]! - 1 }), { minLength: 1, maxLength: 9 }),
        runTime: fc.boolean(),
      }),
    ),
  );
  fc.assert(
    fc.property(cases, ({ shape, axis, indices, runTime }) => {
      const g = new GraphBuilder();
      const tensor = counting(shape);
      const y = folded(g.gather(g.tensor(tensor), g.integers(indices), axis));
      const expected = along(nest(tensor.data as Float32Array, shape), axis, (list) => indices.map((i) => list.at(i)!));
      expect([...y.data]).toEqual(flat(expected));
      const x = g.input('x', 'float32', shape);
      const positions = runTime ? g.input('i', 'int64', [indices.length]) : g.integers(indices);
      checkCounts(g, x, g.gather(x, positions, axis), {
        i: { dtype: 'int64', shape: [indices.length], data: Float64Array.from(indices) },
      });
    }),
  );
});

test('Pad in every mode walks to the element that its rule names', () => {
  /** Walks step by step from the border, as the words of the specification do. */
  const walk = (list: readonly Nested[], i: number, mode: string): Nested => {
    const n = list.length;
    if (mode === 'edge') return list[Math.min(Math.max(i, 0), n - 1)]!;
    if (mode === 'wrap') return list.at(i >= 0 ? i % n : -1 - ((-1 - i) % n))!;
    let position = i < 0 ? -i : i;
    while (position > n - 1) {
      position = 2 * (n - 1) - position;
      if (position < 0) position = -position;
    }
    return list[position]!;
  };
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat({ max: 6 }), { minLength: 6, maxLength: 6 }),
      fc.constantFrom('reflect', 'edge', 'wrap'),
      (shape, counts, mode) => {
        const before = counts.slice(0, shape.length);
        const after = counts.slice(3, 3 + shape.length);
        const g = new GraphBuilder();
        const tensor = counting(shape);
        const y = folded(g.op('Pad', [g.tensor(tensor), g.integers([...before, ...after])], { mode }));
        const expected = shape.reduce(
          (x: Nested, length, axis) =>
            along(x, axis, (list) =>
              Array.from({ length: length + before[axis]! + after[axis]! }, (_, i) =>
                walk(list, i - before[axis]!, mode),
              ),
            ),
          nest(tensor.data as Float32Array, shape),
        );
        expect([...y.data]).toEqual(flat(expected));
        const x = g.input('x', 'float32', shape);
        checkCounts(g, x, g.op('Pad', [x, g.integers([...before, ...after])], { mode }));
      },
    ),
  );
});

test('permuting axes and back changes nothing', () => {
  fc.assert(
    fc.property(shapes, fc.integer(), (shape, seed) => {
      const permutation = shape.map((_, axis) => axis).sort((a, b) => Math.sin(seed + a) - Math.sin(seed + b));
      const x = toNumeric(counting(shape));
      const y = permuteAxes(x, permutation);
      const back = permuteAxes(
        y,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      );
      expect(back).toEqual(x);
    }),
  );
});

test('long rows are copied as blocks', () => {
  const shape = [3, 2, 500];
  const source = Float32Array.from({ length: 3000 }, (_, i) => i);
  const data = new Float32Array(3 * 2 * 600);
  copyStrided(
    shape,
    { data: source, offset: 0, strides: stridesOf(shape) },
    { data, offset: 50, strides: [1200, 600, 1] },
  );
  expect(nest(data, [6, 600])).toEqual(
    (nest(source, [6, 500]) as Nested[]).map((row) => [
      ...new Array(50).fill(0),
      ...(row as Nested[]),
      ...new Array(50).fill(0),
    ]),
  );
});

/** With x = 1, 2, 3 ... and cotangents 1, 2, 5, 10 ..., dx must hold the cotangents of the places each x went to. */
function checkCounts(g: GraphBuilder, x: Value, y: Value, feeds: Record<string, NumericArray> = {}): void {
  const weights = Float64Array.from({ length: sizeOf(y.shape) }, (_, i) => i * i + 1);
  const cotangent = g.input('cotangent', 'float32', y.shape);
  const [dx] = gradient(g, { of: y, wrt: [x], cotangent });
  const values = evaluateGraph(g.graph, {
    ...feeds,
    x: toNumeric(counting(x.shape)),
    cotangent: { dtype: 'float32', shape: y.shape, data: weights },
  });
  const expected = new Array(sizeOf(x.shape)).fill(0);
  const moved = values.get(y.name)?.data ?? [];
  Array.from(moved).forEach((element, i) => {
    expected[element - 1] += weights[i]!;
  });
  const result = values.get(dx!.name)?.data ?? folded(dx!).data;
  expect([...result]).toEqual(expected);
}
