/** @file Operators that pass values on in the same or another type. */
import { dataTypeOf } from '../element-types.ts';
import { ShapeError, UnsupportedOpError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { mapBinary, mapTernary, mapUnary } from '../evaluate/broadcast.ts';
import { roundHalfToEven } from '../evaluate/functions.ts';
import { type DataType, describeNode, isFloat, sizeOf } from '../graph.ts';
import { broadcastShapes, type InferContext, likeInput, normalizeAxis, type Operator, required } from './operator.ts';

/** Smallest and largest value of the types that QuantizeLinear writes. */
export const QUANTIZED_RANGES: Partial<Record<DataType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

/** Between floats the number stays as it is, so double precision survives; rounding to the type is the tensor's business. */
function convert(x: NumericArray, dtype: DataType): NumericArray {
  if (dtype === 'bool') return mapUnary(x, (value) => (value === 0 ? 0 : 1), dtype);
  if (isFloat(dtype) || !isFloat(x.dtype)) return { ...x, dtype };
  return mapUnary(x, Math.trunc, dtype);
}

/** The shape in which a per-axis scale or zero point broadcasts to `rank` axes; a scalar stays one. */
export function quantizationShape(shape: readonly number[], rank: number, axis: number): number[] {
  if (sizeOf(shape) === 1) return [];
  const position = axis < 0 ? axis + rank : axis;
  return Array.from({ length: rank }, (_, i) => (i === position ? sizeOf(shape) : 1));
}

function inferQuantization(context: InferContext): readonly number[] {
  const { shape } = required(context, 0);
  const scale = required(context, 1);
  if (sizeOf(scale.shape) !== 1) {
    const axis = normalizeAxis(context.attributes.axis, shape.length, describeNode(context.node));
    if (scale.shape.length !== 1 || scale.shape[0] !== shape[axis]) {
      throw new ShapeError(
        `the scale [${scale.shape}] of ${describeNode(context.node)} does not fit axis ${axis} of [${shape}]`,
      );
    }
  }
  return shape;
}

/** Scale and zero point, ready to broadcast. */
function quantization(x: NumericArray, scale: NumericArray, zeroPoint: NumericArray | undefined, axis: number) {
  const shape = quantizationShape(scale.shape, x.shape.length, axis);
  const zero = zeroPoint ?? { dtype: 'uint8' as const, shape, data: new Uint8Array(sizeOf(shape)) };
  return { scale: { ...scale, shape }, zero: { ...zero, shape: quantizationShape(zero.shape, x.shape.length, axis) } };
}

export const conversion: Record<string, Operator> = {
  Identity: { attributes: {}, infer: (context) => [likeInput(context)], evaluate: ({ inputs: [x] }) => [x!] },

  Cast: {
    attributes: { to: { kind: 'int' } },
    infer: (context) => {
      const { shape } = required(context, 0);
      return [{ dtype: dataTypeOf(context.attributes.to, `the target of ${describeNode(context.node)}`), shape }];
    },
    evaluate: ({ attributes, inputs: [x] }) => [convert(x!, dataTypeOf(attributes.to, 'the target'))],
  },

  CastLike: {
    attributes: {},
    infer: (context) => [{ dtype: required(context, 1).dtype, shape: required(context, 0).shape }],
    evaluate: ({ inputs: [x, target] }) => [convert(x!, target!.dtype)],
  },

  /** Evaluation mode: the mask, when asked for, is all ones. */
  Dropout: {
    attributes: { seed: { kind: 'int' } },
    infer: (context) => {
      const ratio = context.inputs[1]?.constant?.data[0] ?? 0.5;
      const training = context.inputs[2]?.constant?.data[0] ?? 0;
      if (context.inputs[2] !== undefined && (context.inputs[2].constant === undefined || (training && ratio))) {
        throw new UnsupportedOpError(
          'Dropout',
          `${describeNode(context.node)} is in training mode; export the model for evaluation`,
        );
      }
      const data = likeInput(context);
      return [data, { dtype: 'bool', shape: data.shape }];
    },
    evaluate: ({ inputs: [x] }) => [x!, mapUnary(x!, () => 1, 'bool')],
  },

  /** q = saturate(round(x / scale) + zero point). */
  QuantizeLinear: {
    attributes: { axis: { kind: 'int', default: 1 } },
    infer: (context) => [{ dtype: context.inputs[2]?.dtype ?? 'uint8', shape: inferQuantization(context) }],
    evaluate: ({ attributes, inputs: [x, s, z] }) => {
      const { scale, zero } = quantization(x!, s!, z, attributes.axis);
      const [low, high] = QUANTIZED_RANGES[zero.dtype] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      const shape = broadcastShapes([x!.shape, scale.shape], 'the inputs');
      const scaled = mapBinary(x!, scale, shape, (p, q) => roundHalfToEven(p / q));
      return [mapBinary(scaled, zero, shape, (p, q) => Math.min(Math.max(p + q, low), high), zero.dtype)];
    },
  },

  /** y = (q − zero point) · scale. */
  DequantizeLinear: {
    attributes: { axis: { kind: 'int', default: 1 } },
    infer: (context) => [{ dtype: required(context, 1).dtype, shape: inferQuantization(context) }],
    evaluate: ({ attributes, inputs: [q, s, z] }) => {
      const { scale, zero } = quantization(q!, s!, z, attributes.axis);
      return [{ ...mapTernary(q!, zero, scale, q!.shape, (p, o, r) => (p - o) * r), dtype: s!.dtype }];
    },
  },
};
