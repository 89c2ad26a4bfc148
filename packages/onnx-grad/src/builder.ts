/** @file The vocabulary that rules are written in: operators as methods, so that a rule reads like its formula. */
import { DATA_TYPE_CODES } from './element-types.ts';
import type { DataType } from './graph.ts';
import { GraphWriter } from './graph-writer.ts';
import { broadcastShapes } from './operators/operator.ts';
import type { Value } from './value.ts';

export type { AttributeInput } from './graph-writer.ts';

export interface Slicing {
  /** First element along each of `axes`. */
  starts: readonly number[];
  /** One past the last element. */
  ends: readonly number[];
  axes: readonly number[];
  /** Positive strides; 1 when left out. Reversal is `reverse`, because a provider computes negative steps wrongly. */
  steps?: readonly number[];
}

/**
 * Appends nodes to a graph whose shapes are static.
 *
 * @example
 * const g = new GraphBuilder();
 * const x = g.input('x', 'float32', [2, 3]);
 * g.output(g.reduceSum(g.mul(x, x), [1]), 'squared_norm');
 * const bytes = writeModel(g.graph);
 */
export class GraphBuilder extends GraphWriter {
  add(a: Value, b: Value): Value {
    return this.op('Add', [a, b]);
  }
  sub(a: Value, b: Value): Value {
    return this.op('Sub', [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.op('Mul', [a, b]);
  }
  div(a: Value, b: Value): Value {
    return this.op('Div', [a, b]);
  }
  pow(a: Value, b: Value): Value {
    return this.op('Pow', [a, b]);
  }
  neg(x: Value): Value {
    return this.op('Neg', [x]);
  }
  exp(x: Value): Value {
    return this.op('Exp', [x]);
  }
  log(x: Value): Value {
    return this.op('Log', [x]);
  }
  sqrt(x: Value): Value {
    return this.op('Sqrt', [x]);
  }
  abs(x: Value): Value {
    return this.op('Abs', [x]);
  }
  tanh(x: Value): Value {
    return this.op('Tanh', [x]);
  }
  sigmoid(x: Value): Value {
    return this.op('Sigmoid', [x]);
  }
  relu(x: Value): Value {
    return this.op('Relu', [x]);
  }
  square(x: Value): Value {
    return this.mul(x, x);
  }
  /** x · factor, with a plain number. */
  scale(x: Value, factor: number): Value {
    return factor === 1 ? x : this.mul(x, this.constant(factor, [], x));
  }
  /** x + offset, with a plain number. */
  offset(x: Value, offset: number): Value {
    return offset === 0 ? x : this.add(x, this.constant(offset, [], x));
  }
  min(a: Value, b: Value): Value {
    return this.op('Min', [a, b]);
  }
  max(a: Value, b: Value): Value {
    return this.op('Max', [a, b]);
  }
  greater(a: Value, b: Value): Value {
    return this.op('Greater', [a, b]);
  }
  greaterOrEqual(a: Value, b: Value): Value {
    return this.op('GreaterOrEqual', [a, b]);
  }
  less(a: Value, b: Value): Value {
    return this.op('Less', [a, b]);
  }
  lessOrEqual(a: Value, b: Value): Value {
    return this.op('LessOrEqual', [a, b]);
  }
  equal(a: Value, b: Value): Value {
    return this.op('Equal', [a, b]);
  }
  not(x: Value): Value {
    return this.op('Not', [x]);
  }
  and(a: Value, b: Value): Value {
    return this.op('And', [a, b]);
  }
  where(condition: Value, a: Value, b: Value): Value {
    return this.op('Where', [condition, a, b]);
  }
  /** −1, 0 or 1. Written with comparisons because the WebGPU provider has no Sign; a third of the time of two Where. */
  sign(x: Value): Value {
    const zero = this.constant(0, [], x);
    return this.sub(this.cast(this.greater(x, zero), x.dtype), this.cast(this.less(x, zero), x.dtype));
  }
  /** `value` where `condition` holds, 0 elsewhere. */
  mask(condition: Value, value: Value): Value {
    return this.where(condition, value, this.constant(0, [], value));
  }
  cast(x: Value, dtype: DataType): Value {
    return x.dtype === dtype ? x : this.op('Cast', [x], { to: DATA_TYPE_CODES[dtype] });
  }

  /** x, which gradients do not pass: `x + stopGradient(f(x) − x)` has the value of f and the gradient of the identity. */
  stopGradient(x: Value): Value {
    return this.op('StopGradient', [x]);
  }

  /** Sum of a list; zeros are left out of sums by the caller. Chained Add, because WebGPU has no Sum. */
  sum(values: readonly Value[]): Value {
    return values.reduce((total, value) => this.add(total, value));
  }

  matmul(a: Value, b: Value): Value {
    return this.op('MatMul', [a, b]);
  }

  reduceSum(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceSum', x, axes, keepDims);
  }
  reduceMean(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceMean', x, axes, keepDims);
  }
  reduceMax(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceMax', x, axes, keepDims);
  }
  reduceMin(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.#reduce('ReduceMin', x, axes, keepDims);
  }

  reshape(x: Value, shape: readonly number[]): Value {
    if (sameShape(x.shape, shape)) return x;
    return this.op('Reshape', [x, this.integers(shape)], shape.includes(0) ? { allowzero: 1 } : {});
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, index) => axis === index)) return x;
    return this.op('Transpose', [x], { perm: permutation });
  }
  /** Transpose of the last two axes. */
  matrixTranspose(x: Value): Value {
    const order = x.shape.map((_, axis) => axis);
    order.push(...order.splice(-2).reverse());
    return this.transpose(x, order);
  }
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Unsqueeze', [x, this.integers(axes)]);
  }
  squeeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Squeeze', [x, this.integers(axes)]);
  }
  expand(x: Value, shape: readonly number[]): Value {
    return sameShape(x.shape, shape) ? x : this.op('Expand', [x, this.integers(shape)]);
  }
  concat(values: readonly Value[], axis: number): Value {
    return values.length === 1 ? values[0]! : this.op('Concat', values, { axis });
  }
  split(x: Value, lengths: readonly number[], axis: number): Value[] {
    if (lengths.length === 1) return [x];
    return this.node('Split', [x, this.integers(lengths)], { axis }, lengths.length);
  }
  slice(x: Value, { starts, ends, axes, steps = axes.map(() => 1) }: Slicing): Value {
    const whole = axes.every((axis, i) => starts[i] === 0 && ends[i]! >= x.shape[axis]! && steps[i] === 1);
    if (whole) return x;
    return this.op('Slice', [x, ...[starts, ends, axes, steps].map((list) => this.integers(list))]);
  }
  /** Zeros around x: `before` and `after` give a count for every axis; negative counts crop. */
  pad(x: Value, before: readonly number[], after: readonly number[]): Value {
    if ([...before, ...after].every((count) => count === 0)) return x;
    return this.op('Pad', [x, this.integers([...before, ...after]), this.constant(0, [], x)]);
  }
  gather(x: Value, indices: Value, axis: number): Value {
    return this.op('Gather', [x, indices], { axis });
  }
  /** x in reverse order along each axis given. */
  reverse(x: Value, axes: readonly number[]): Value {
    return axes.reduce((value, axis) => {
      const length = value.shape[axis]!;
      if (length === 1) return value;
      return this.gather(value, this.integers(Array.from({ length }, (_, i) => length - 1 - i)), axis);
    }, x);
  }

  /** Sums x over the axes along which `shape` was broadcast to x's shape: the adjoint of broadcasting. */
  sumTo(x: Value, shape: readonly number[]): Value {
    const extra = x.shape.length - shape.length;
    const axes = x.shape.flatMap((dimension, axis) => {
      const target = axis < extra ? 1 : shape[axis - extra];
      return target === 1 && (dimension !== 1 || axis < extra) ? [axis] : [];
    });
    return this.reshape(axes.length === 0 ? x : this.reduceSum(x, axes, true), shape);
  }

  /** Repeats x to the shape it has in a broadcast with `shape`. */
  broadcast(x: Value, shape: readonly number[]): Value {
    return this.expand(x, broadcastShapes([x.shape, shape], 'a broadcast'));
  }

  #reduce(op: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
    if (axes.length === 0) return x;
    return this.op(op, [x, this.integers(axes)], { keepdims: keepDims ? 1 : 0 });
  }
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dimension, index) => dimension === b[index]);
