/** @file Linear quantisation: a number as an integer times a scale. */
import { ShapeError, UnsupportedOpError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { mapBinary, mapTernary } from '../evaluate/broadcast.ts';
import { roundHalfToEven } from '../evaluate/functions.ts';
import { type DataType, describeNode, sizeOf } from '../graph.ts';
import { broadcastShapes, type InferContext, normalizeAxis, type Operator, required } from './operator.ts';

/** Smallest and largest value of the types that QuantizeLinear writes. */
export const QUANTIZED_RANGES: Partial<Record<DataType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

/** The shape in which a per-axis scale or zero point broadcasts to `rank` axes; a scalar stays one. */
export function quantizationShape(shape: readonly number[], rank: number, axis: number): number[] {
  if (sizeOf(shape) === 1) return [];
  const position = axis < 0 ? axis + rank : axis;
  return Array.from({ length: rank }, (_, i) => (i === position ? sizeOf(shape) : 1));
}

/** Checks that scale and zero point are scalars or have one number for each position of the axis. */
function checkQuantization(context: InferContext): readonly number[] {
  const { shape } = required(context, 0);
  for (const [index, what] of [
    [1, 'scale'],
    [2, 'zero point'],
  ] as const) {
    const value = index === 1 ? required(context, 1) : context.inputs[2];
    if (value === undefined || sizeOf(value.shape) === 1) continue;
    const axis = normalizeAxis(context.attributes.axis, shape.length, describeNode(context.node));
    if (value.shape.length !== 1 || value.shape[0] !== shape[axis]) {
      throw new ShapeError(
        `the ${what} [${value.shape}] of ${describeNode(context.node)} does not fit axis ${axis} of [${shape}]`,
      );
    }
  }
  return shape;
}

/** Scale and zero point, ready to broadcast. */
function aligned(x: NumericArray, scale: NumericArray, zeroPoint: NumericArray | undefined, axis: number) {
  const shape = quantizationShape(scale.shape, x.shape.length, axis);
  const zero = zeroPoint ?? { dtype: 'uint8' as const, shape, data: new Uint8Array(sizeOf(shape)) };
  return { scale: { ...scale, shape }, zero: { ...zero, shape: quantizationShape(zero.shape, x.shape.length, axis) } };
}

export const quantization: Record<string, Operator> = {
  /** q = saturate(round(x / scale) + zero point). */
  QuantizeLinear: {
    attributes: { axis: { kind: 'int', default: 1 } },
    infer: (context) => {
      const dtype = context.inputs[2]?.dtype ?? 'uint8';
      if (QUANTIZED_RANGES[dtype] === undefined) {
        throw new UnsupportedOpError('QuantizeLinear', `${describeNode(context.node)} quantises to ${dtype}`);
      }
      return [{ dtype, shape: checkQuantization(context) }];
    },
    evaluate: ({ attributes, inputs: [x, s, z] }) => {
      const { scale, zero } = aligned(x!, s!, z, attributes.axis);
      const [low, high] = QUANTIZED_RANGES[zero.dtype]!;
      const shape = broadcastShapes([x!.shape, scale.shape], 'the inputs');
      const scaled = mapBinary(x!, scale, shape, (p, q) => roundHalfToEven(p / q));
      return [mapBinary(scaled, zero, shape, (p, q) => Math.min(Math.max(p + q, low), high), zero.dtype)];
    },
  },

  /** y = (q − zero point) · scale. */
  DequantizeLinear: {
    attributes: { axis: { kind: 'int', default: 1 } },
    infer: (context) => [{ dtype: required(context, 1).dtype, shape: checkQuantization(context) }],
    evaluate: ({ attributes, inputs: [q, s, z] }) => {
      const { scale, zero } = aligned(q!, s!, z, attributes.axis);
      return [{ ...mapTernary(q!, zero, scale, q!.shape, (p, o, r) => (p - o) * r), dtype: s!.dtype }];
    },
  },
};
