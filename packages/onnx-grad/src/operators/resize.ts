/** @file Resize: interpolation along one axis after another. */
import { ShapeError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { type AxisResize, type Interpolation, type InterpolationOptions, interpolation } from './interpolation.ts';
import { numbersOf, optionalNumbers } from './movement.ts';
import { type AttributeValues, normalizeAxis, type Operator, required } from './operator.ts';
import { around, selectAlong, stridesOf } from './strided.ts';

/** The numbers of Resize's inputs 1 to 3; an empty tensor stands for an absent one. */
export interface ResizeNumbers {
  region: readonly number[] | undefined;
  scales: readonly number[] | undefined;
  sizes: readonly number[] | undefined;
}

export function resizeNumbers(read: (index: number) => number[] | undefined): ResizeNumbers {
  const present = (index: number) => {
    const numbers = read(index);
    return numbers === undefined || numbers.length === 0 ? undefined : numbers;
  };
  return { region: present(1), scales: present(2), sizes: present(3) };
}

const f = Math.fround;

/** What happens to every axis; untouched axes have scale 1. */
export function resizedAxes(
  shape: readonly number[],
  { region, scales, sizes }: ResizeNumbers,
  attributes: AttributeValues,
  what: string,
): AxisResize[] {
  const named: number[] = (attributes.axes ?? shape.map((_, axis) => axis)).map((axis: number) =>
    normalizeAxis(axis, shape.length, what),
  );
  const given = scales ?? sizes;
  if (given === undefined) throw new ShapeError(`${what} has neither scales nor sizes`);
  if (given.length !== named.length)
    throw new ShapeError(`${what} has ${given.length} factors for ${named.length} axes`);
  const result = shape.map(
    (length): AxisResize => ({ length, target: length, scale: 1, regionStart: 0, regionEnd: 1 }),
  );
  const ratios = named.map((axis, i) => (sizes === undefined ? 1 : f(sizes[i]! / shape[axis]!)));
  const policy: string = attributes.keep_aspect_ratio_policy;
  const common = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  named.forEach((axis, i) => {
    const length = shape[axis]!;
    const regionStart = region?.[i] ?? 0;
    const regionEnd = region?.[i + named.length] ?? 1;
    if (scales !== undefined) {
      const scale = f(scales[i]!);
      result[axis] = { length, target: Math.floor(f(scale * length)), scale, regionStart, regionEnd };
    } else if (policy === 'stretch') {
      result[axis] = { length, target: sizes![i]!, scale: ratios[i]!, regionStart, regionEnd };
    } else {
      result[axis] = { length, target: Math.round(f(common * length)), scale: common, regionStart, regionEnd };
    }
  });
  return result;
}

export const interpolationOptions = (attributes: AttributeValues): InterpolationOptions => ({
  mode: attributes.mode,
  coordinates: attributes.coordinate_transformation_mode,
  nearest: attributes.nearest_mode,
  cubicCoefficient: attributes.cubic_coeff_a,
  excludeOutside: (attributes.mode === 'cubic' || attributes.antialias === 1) && attributes.exclude_outside === 1,
  antialias: attributes.antialias === 1,
});

/** Does resizing leave the axis as it is? */
export const isUntouched = ({ length, target, scale }: AxisResize, coordinates: string): boolean =>
  length === target && scale === 1 && coordinates !== 'tf_crop_and_resize';

function interpolateAlong(x: NumericArray, axis: number, { taps, indices, weights }: Interpolation): NumericArray {
  const { outer, length, inner } = around(x.shape, axis);
  const rows = indices.length / taps;
  const data = new Float64Array(outer * rows * inner);
  for (let o = 0; o < outer; o++) {
    for (let row = 0; row < rows; row++) {
      const to = (o * rows + row) * inner;
      for (let k = row * taps; k < (row + 1) * taps; k++) {
        const from = (o * length + indices[k]!) * inner;
        const weight = weights[k]!;
        if (weight === 0) continue;
        for (let i = 0; i < inner; i++) data[to + i] = data[to + i]! + weight * x.data[from + i]!;
      }
    }
  }
  return { dtype: x.dtype, shape: x.shape.with(axis, rows), data };
}

/** Writes `value` wherever some axis' position is outside. */
function extrapolate(y: NumericArray, outside: readonly ReadonlySet<number>[], value: number): void {
  if (outside.every((rows) => rows.size === 0)) return;
  const strides = stridesOf(y.shape);
  for (let i = 0; i < sizeOf(y.shape); i++) {
    if (outside.some((rows, axis) => rows.has(Math.floor(i / strides[axis]!) % y.shape[axis]!))) y.data[i] = value;
  }
}

const resize: Operator = {
  attributes: {
    antialias: { kind: 'int', default: 0 },
    axes: { kind: 'ints' },
    coordinate_transformation_mode: { kind: 'string', default: 'half_pixel' },
    cubic_coeff_a: { kind: 'float', default: -0.75 },
    exclude_outside: { kind: 'int', default: 0 },
    extrapolation_value: { kind: 'float', default: 0 },
    keep_aspect_ratio_policy: { kind: 'string', default: 'stretch' },
    mode: { kind: 'string', default: 'nearest' },
    nearest_mode: { kind: 'string', default: 'round_prefer_floor' },
  },
  infer(context) {
    const { dtype, shape } = required(context, 0);
    if (!['nearest', 'linear', 'cubic'].includes(context.attributes.mode)) {
      throw new ShapeError(`${describeNode(context.node)} has the unknown mode '${context.attributes.mode}'`);
    }
    const numbers = resizeNumbers((i) => optionalNumbers(context, i));
    const axes = resizedAxes(shape, numbers, context.attributes, describeNode(context.node));
    return [{ dtype, shape: axes.map(({ target }) => target) }];
  },
  evaluate(context) {
    const x = context.inputs[0]!;
    const options = interpolationOptions(context.attributes);
    const numbers = resizeNumbers((i) => numbersOf(context, i));
    const outside: ReadonlySet<number>[] = x.shape.map(() => new Set());
    let y = x;
    resizedAxes(x.shape, numbers, context.attributes, 'Resize').forEach((resized, axis) => {
      if (isUntouched(resized, options.coordinates)) return;
      const map = interpolation(resized, options);
      outside[axis] = map.outside;
      y = options.mode === 'nearest' ? selectAlong(y, axis, map.indices) : interpolateAlong(y, axis, map);
    });
    if (y === x) return [x];
    extrapolate(y, outside, context.attributes.extrapolation_value);
    return [y];
  },
};

export const resizing: Record<string, Operator> = { Resize: resize };
