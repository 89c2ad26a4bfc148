/** @file Operators that work along one axis: softmax, arg-max, cumulative sums, the largest elements. */
import { ShapeError } from '../errors.ts';
import { type NumericArray, zeros } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { constantNumbers, type InferContext, likeInput, normalizeAxis, type Operator, required } from './operator.ts';

/** Calls `visit` for each line along `axis`: element i of the line is at `start + i · stride`. */
function eachLine(
  shape: readonly number[],
  axis: number,
  visit: (start: number, stride: number, length: number, line: number) => void,
): void {
  const position = axis < 0 ? axis + shape.length : axis;
  const length = shape[position] ?? 1;
  const stride = sizeOf(shape.slice(position + 1));
  const outer = sizeOf(shape.slice(0, position));
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < stride; j++) visit(i * length * stride + j, stride, length, i * stride + j);
  }
}

const checkedAxis = (context: InferContext): number =>
  normalizeAxis(context.attributes.axis, required(context, 0).shape.length, describeNode(context.node));

/** An operator along attribute `axis` whose output is like its input; `write` fills one line. */
const likeAlongAxis = (
  write: (x: NumericArray['data'], y: Float64Array, start: number, stride: number, end: number) => void,
): Operator => ({
  attributes: { axis: { kind: 'int', default: -1 } },
  infer: (context) => {
    checkedAxis(context);
    return [likeInput(context)];
  },
  evaluate: ({ attributes, inputs: [x] }) => {
    const { dtype, shape, data } = x!;
    const result = new Float64Array(data.length);
    eachLine(shape, attributes.axis, (start, stride, length) => {
      write(data, result, start, stride, start + stride * length);
    });
    return [{ dtype, shape, data: result }];
  },
});

function largest(x: NumericArray['data'], start: number, stride: number, end: number): number {
  let best = start;
  for (let i = start + stride; i < end; i += stride) if (x[i]! > x[best]!) best = i;
  return best;
}

function exponentialSum(x: NumericArray['data'], maximum: number, start: number, stride: number, end: number): number {
  let total = 0;
  for (let i = start; i < end; i += stride) total += Math.exp(x[i]! - maximum);
  return total;
}

const argument = (better: (a: number, b: number) => boolean): Operator => ({
  attributes: {
    axis: { kind: 'int', default: 0 },
    keepdims: { kind: 'int', default: 1 },
    select_last_index: { kind: 'int', default: 0 },
  },
  infer: (context) => {
    const axis = checkedAxis(context);
    return [{ dtype: 'int64', shape: withoutAxis(required(context, 0).shape, axis, context.attributes.keepdims) }];
  },
  evaluate: ({ attributes, inputs: [x] }) => {
    const { shape, data } = x!;
    const axis = attributes.axis < 0 ? attributes.axis + shape.length : attributes.axis;
    const result = zeros('int64', withoutAxis(shape, axis, attributes.keepdims));
    eachLine(shape, axis, (start, stride, length, line) => {
      let best = 0;
      for (let i = 1; i < length; i++) {
        const [candidate, current] = [data[start + i * stride]!, data[start + best * stride]!];
        if (better(candidate, current) || (attributes.select_last_index && candidate === current)) best = i;
      }
      result.data[line] = best;
    });
    return [result];
  },
});

const withoutAxis = (shape: readonly number[], axis: number, keepDims: number): number[] =>
  keepDims ? shape.map((length, i) => (i === axis ? 1 : length)) : shape.filter((_, i) => i !== axis);

export const alongAxis: Record<string, Operator> = {
  Softmax: likeAlongAxis((x, y, start, stride, end) => {
    const maximum = x[largest(x, start, stride, end)]!;
    const total = exponentialSum(x, maximum, start, stride, end);
    for (let i = start; i < end; i += stride) y[i] = Math.exp(x[i]! - maximum) / total;
  }),
  LogSoftmax: likeAlongAxis((x, y, start, stride, end) => {
    const maximum = x[largest(x, start, stride, end)]!;
    const shift = maximum + Math.log(exponentialSum(x, maximum, start, stride, end));
    for (let i = start; i < end; i += stride) y[i] = x[i]! - shift;
  }),
  /** 1 at the first maximum, 0 elsewhere. */
  Hardmax: likeAlongAxis((x, y, start, stride, end) => {
    if (start < end) y[largest(x, start, stride, end)] = 1;
  }),

  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),

  /** The axis is a constant input. */
  CumSum: {
    attributes: { exclusive: { kind: 'int', default: 0 }, reverse: { kind: 'int', default: 0 } },
    infer: (context) => {
      normalizeAxis(constantNumbers(context, 1)[0]!, required(context, 0).shape.length, describeNode(context.node));
      return [likeInput(context)];
    },
    evaluate: ({ attributes: { exclusive, reverse }, inputs: [x, axis] }) => {
      const { dtype, shape, data } = x!;
      const result = new Float64Array(data.length);
      eachLine(shape, axis!.data[0]!, (start, stride, length) => {
        let total = 0;
        for (let k = 0; k < length; k++) {
          const i = start + (reverse ? length - 1 - k : k) * stride;
          result[i] = exclusive ? total : total + data[i]!;
          total += data[i]!;
        }
      });
      return [{ dtype, shape, data: result }];
    },
  },

  /** The K largest (or smallest) elements along an axis and their indices; equal elements keep their order. */
  TopK: {
    attributes: {
      axis: { kind: 'int', default: -1 },
      largest: { kind: 'int', default: 1 },
      sorted: { kind: 'int', default: 1 },
    },
    infer: (context) => {
      const { dtype, shape } = required(context, 0);
      const axis = checkedAxis(context);
      const count = constantNumbers(context, 1)[0] ?? 0;
      if (!(count >= 0 && count <= (shape[axis] ?? 1))) {
        throw new ShapeError(
          `${describeNode(context.node)} asks for ${count} of the ${shape[axis]} elements of axis ${axis}`,
        );
      }
      const result = shape.map((length, i) => (i === axis ? count : length));
      return [
        { dtype, shape: result },
        { dtype: 'int64', shape: result },
      ];
    },
    evaluate: ({ attributes, inputs: [x, k] }) => {
      const { dtype, shape, data } = x!;
      const axis = attributes.axis < 0 ? attributes.axis + shape.length : attributes.axis;
      const count = k!.data[0]!;
      const result = shape.map((length, i) => (i === axis ? count : length));
      const [values, indices] = [zeros(dtype, result), zeros('int64', result)];
      const direction = attributes.largest ? -1 : 1;
      const order = new Uint32Array(shape[axis] ?? 1);
      eachLine(shape, axis, (start, stride, length, line) => {
        for (let i = 0; i < length; i++) order[i] = i;
        order.sort((i, j) => direction * (data[start + i * stride]! - data[start + j * stride]!) || i - j);
        const first = Math.floor(line / stride) * count * stride + (line % stride);
        for (let i = 0; i < count; i++) {
          values.data[first + i * stride] = data[start + order[i]! * stride]!;
          indices.data[first + i * stride] = order[i]!;
        }
      });
      return [values, indices];
    },
  },
};
