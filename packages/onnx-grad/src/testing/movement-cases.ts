/** @file One-node cases of the operators that move elements: for their values and for their gradients. */
import type { OperatorCase, OperatorInput } from './onnxruntime.ts';

/** A float input to differentiate. */
const x = (...shape: number[]): OperatorInput => ({ shape });
/** A constant vector of integers: axes, shape, pads ... */
const ints = (...data: number[]): OperatorInput => ({ shape: [data.length], data, dtype: 'int64', constant: true });
/** Constant integers of another shape. */
const indices = (shape: number[], data: number[]): OperatorInput => ({ shape, data, dtype: 'int64', constant: true });
/** The same, known at run time only. */
const fed = (shape: number[], data: number[]): OperatorInput => ({ shape, data, dtype: 'int64' });
const floats = (...data: number[]): OperatorInput => ({ shape: [data.length], data, constant: true });

const LAST = 2 ** 63;

type Cases = Record<string, OperatorCase>;

export const movementCases: Cases = {
  'Reshape with 0 and -1': { op: 'Reshape', inputs: [x(2, 3, 4), ints(0, -1)] },
  'Reshape to more axes': { op: 'Reshape', inputs: [x(6, 4), ints(2, 3, 2, 2)] },
  'Reshape of a scalar': { op: 'Reshape', inputs: [x(), ints(1, 1)] },
  'Flatten by default': { op: 'Flatten', inputs: [x(2, 3, 4)] },
  'Flatten at axis 0': { op: 'Flatten', inputs: [x(2, 3, 4)], attributes: { axis: 0 } },
  'Flatten at a negative axis': { op: 'Flatten', inputs: [x(2, 3, 4)], attributes: { axis: -1 } },
  'Squeeze of every 1': { op: 'Squeeze', inputs: [x(1, 3, 1, 2)] },
  'Squeeze of named axes': { op: 'Squeeze', inputs: [x(1, 3, 1, 2), ints(-2)] },
  Unsqueeze: { op: 'Unsqueeze', inputs: [x(3, 2), ints(0, -1, 2)] },
  'Transpose by default': { op: 'Transpose', inputs: [x(2, 3, 4)] },
  'Transpose of a batch': { op: 'Transpose', inputs: [x(2, 3, 4, 2)], attributes: { perm: [0, 2, 3, 1] } },
  'Transpose of three axes in a circle': { op: 'Transpose', inputs: [x(2, 3, 4)], attributes: { perm: [2, 0, 1] } },
  'Concat along the first axis': { op: 'Concat', inputs: [x(1, 3), x(2, 3), x(3, 3)], attributes: { axis: 0 } },
  'Concat along the last axis': { op: 'Concat', inputs: [x(2, 2, 3), x(2, 2, 1)], attributes: { axis: -1 } },
  'Split by lengths': { op: 'Split', inputs: [x(2, 6), ints(1, 3, 2)], attributes: { axis: 1 }, outputCount: 3 },
  'Split into equal parts': {
    op: 'Split',
    inputs: [x(4, 3)],
    attributes: { axis: -2, num_outputs: 2 },
    outputCount: 2,
  },
  'Split with a shorter last part': { op: 'Split', inputs: [x(7)], attributes: { num_outputs: 3 }, outputCount: 3 },
  Expand: { op: 'Expand', inputs: [x(3, 1), ints(2, 1, 4)] },
  'Expand that keeps longer axes': { op: 'Expand', inputs: [x(2, 3), ints(1, 1)] },
  'Expand of a scalar': { op: 'Expand', inputs: [x(), ints(2, 3)] },
  Tile: { op: 'Tile', inputs: [x(2, 3), ints(2, 3)] },
  'Tile of one axis': { op: 'Tile', inputs: [x(2, 1, 2), ints(1, 3, 1)] },
  'DepthToSpace DCR': { op: 'DepthToSpace', inputs: [x(2, 8, 2, 3)], attributes: { blocksize: 2, mode: 'DCR' } },
  'DepthToSpace CRD': { op: 'DepthToSpace', inputs: [x(1, 8, 2, 3)], attributes: { blocksize: 2, mode: 'CRD' } },
  SpaceToDepth: { op: 'SpaceToDepth', inputs: [x(1, 2, 4, 6)], attributes: { blocksize: 2 } },
  'Trilu upper': { op: 'Trilu', inputs: [x(2, 3, 4)] },
  'Trilu lower with offset': { op: 'Trilu', inputs: [x(4, 3), indices([], [1])], attributes: { upper: 0 } },
  'Trilu upper with negative offset': { op: 'Trilu', inputs: [x(4, 3), fed([], [-1])], attributes: { upper: 1 } },
};

export const indexingCases: Cases = {
  'Slice of one axis': { op: 'Slice', inputs: [x(2, 5), ints(1), ints(4), ints(1)] },
  'Slice without axes': { op: 'Slice', inputs: [x(4, 5), ints(1, 0), ints(3, -1)] },
  'Slice to the end': { op: 'Slice', inputs: [x(2, 5), ints(-3), ints(LAST), ints(-1), ints(1)] },
  'Slice with step 2': { op: 'Slice', inputs: [x(2, 7), ints(1), ints(LAST), ints(1), ints(2)] },
  'Slice with steps on two axes': {
    op: 'Slice',
    inputs: [x(1, 5, 7), ints(0, 1), ints(LAST, 6), ints(1, 2), ints(2, 3)],
  },
  'Slice of one element with a step': { op: 'Slice', inputs: [x(5), ints(3), ints(LAST), ints(0), ints(4)] },
  'Slice backward': { op: 'Slice', inputs: [x(2, 5), ints(-1), ints(-LAST), ints(1), ints(-1)] },
  'Slice backward from the middle': { op: 'Slice', inputs: [x(7, 2), ints(5), ints(0), ints(0), ints(-2)] },
  'Slice of nothing': { op: 'Slice', inputs: [x(2, 5), ints(3), ints(3), ints(1)] },
  'Gather of a scalar index': { op: 'Gather', inputs: [x(3, 4), indices([], [-1])], attributes: { axis: 1 } },
  'Gather in reverse': { op: 'Gather', inputs: [x(2, 4), ints(3, 2, 1, 0)], attributes: { axis: 1 } },
  'Gather of a permutation': { op: 'Gather', inputs: [x(5, 2), ints(3, 0, 4, 1, 2)] },
  'Gather of distinct elements': { op: 'Gather', inputs: [x(2, 8), ints(6, 0, 1, -1, 3, 2)], attributes: { axis: 1 } },
  'Gather with repeats': { op: 'Gather', inputs: [x(4, 3), indices([2, 4], [1, 0, 1, -1, 3, 0, 0, 1])] },
  'Gather with repeats along the last axis': {
    op: 'Gather',
    inputs: [x(2, 4), indices([2, 4], [1, 0, 1, -1, 3, 0, 0, 1])],
    attributes: { axis: -1 },
  },
  'Gather of every element twice': {
    op: 'Gather',
    inputs: [x(2, 3, 2), ints(0, 0, 1, 1, 2, 2)],
    attributes: { axis: 1 },
  },
  'Gather at run time': { op: 'Gather', inputs: [x(3, 4, 2), fed([2, 2], [1, -1, 0, 1])], attributes: { axis: 1 } },
  GatherElements: {
    op: 'GatherElements',
    inputs: [x(3, 3), indices([2, 3], [1, 0, -1, 1, 0, 2])],
    attributes: { axis: 0 },
  },
  'GatherElements at run time': {
    op: 'GatherElements',
    inputs: [x(2, 3, 2), fed([2, 1, 4], [1, 0, 0, 1, 1, 1, -1, 0])],
    attributes: { axis: -1 },
  },
  GatherND: { op: 'GatherND', inputs: [x(2, 3, 2), indices([2, 2], [0, 1, 1, -1])] },
  'GatherND of elements': { op: 'GatherND', inputs: [x(2, 3), fed([3, 1, 2], [0, 1, 1, 2, 0, 1])] },
  'GatherND in batches': {
    op: 'GatherND',
    inputs: [x(2, 3, 2), fed([2, 2, 1], [1, 1, 0, 2])],
    attributes: { batch_dims: 1 },
  },
  'GatherND in two batch axes': {
    op: 'GatherND',
    inputs: [x(2, 3, 4), indices([2, 3, 1], [1, 1, 0, 2, 3, 0])],
    attributes: { batch_dims: 2 },
  },
  ScatterElements: {
    op: 'ScatterElements',
    inputs: [x(3, 3), indices([2, 3], [1, 0, -1, 2, 1, 0]), x(2, 3)],
  },
  'ScatterElements, adding': {
    op: 'ScatterElements',
    inputs: [x(2, 4), fed([2, 3], [1, 1, 0, -1, 3, 3]), x(2, 3)],
    attributes: { axis: 1, reduction: 'add' },
  },
  ScatterND: { op: 'ScatterND', inputs: [x(4, 2), indices([2, 1], [2, 0]), x(2, 2)] },
  'ScatterND, adding': {
    op: 'ScatterND',
    inputs: [x(2, 3), fed([3, 2], [1, 1, 0, 0, 1, 1]), x(3)],
    attributes: { reduction: 'add' },
  },
};

const constantPads: Cases = {
  'Pad with zeros': { op: 'Pad', inputs: [x(2, 3), ints(1, 0, 0, 2)] },
  'Pad with a value': { op: 'Pad', inputs: [x(2, 3), ints(1, 0, 0, 2), { shape: [], data: [0.7], constant: true }] },
  'Pad with a variable': { op: 'Pad', inputs: [x(2, 3), ints(1, 0, -1, 2), x()] },
  'Pad of named axes': { op: 'Pad', inputs: [x(2, 3, 4), ints(1, 2, 0, 1), undefined, ints(-1, 0)] },
  'Pad that crops and adds': { op: 'Pad', inputs: [x(3, 4), ints(-1, 2, 1, -2)] },
};

export const paddingCases: Cases = {
  ...constantPads,
  ...Object.fromEntries(
    ['reflect', 'edge', 'wrap'].flatMap((mode) =>
      Object.entries({
        'on two sides': [x(2, 4), ints(0, 2, 0, 3)],
        'on two axes': [x(1, 3, 4), ints(0, 2, 1, 0, 1, 0)],
        'of named axes': [x(2, 5), ints(3, 2), undefined, ints(-1)],
        'that crops and adds': [x(2, 5), ints(0, -1, 0, 2)],
      }).map(([name, inputs]) => [`Pad ${mode} ${name}`, { op: 'Pad', inputs, attributes: { mode } }]),
    ),
  ),
};

/** Resize of the last two axes by scales. */
const resized = (
  name: string,
  scales: [number, number],
  attributes: OperatorCase['attributes'],
): [string, OperatorCase] => [
  `Resize ${name} by ${scales}`,
  { op: 'Resize', inputs: [x(1, 2, 4, 5), undefined, floats(1, 1, ...scales)], attributes },
];

const coordinates = ['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'];
const factors: [number, number][] = [
  [2, 3],
  [1.5, 0.6],
  [0.5, 0.25],
];

export const resizeCases: Cases = {
  ...Object.fromEntries(
    factors.flatMap((scales) =>
      coordinates.flatMap((mode) => [
        ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map((nearest) =>
          resized(`nearest ${mode} ${nearest}`, scales, {
            mode: 'nearest',
            coordinate_transformation_mode: mode,
            nearest_mode: nearest,
          }),
        ),
        resized(`linear ${mode}`, scales, { mode: 'linear', coordinate_transformation_mode: mode }),
        resized(`cubic ${mode}`, scales, { mode: 'cubic', coordinate_transformation_mode: mode }),
        resized(`cubic ${mode} without outside`, scales, {
          mode: 'cubic',
          coordinate_transformation_mode: mode,
          exclude_outside: 1,
          cubic_coeff_a: -0.5,
        }),
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['linear', 'cubic'].flatMap((mode) =>
      [factors[1]!, factors[2]!].flatMap((scales) => [
        resized(`${mode} antialiased`, scales, { mode, antialias: 1 }),
        resized(`${mode} antialiased without outside`, scales, { mode, antialias: 1, exclude_outside: 1 }),
      ]),
    ),
  ),
  // Scales that do not divide the lengths, where this mode differs from half_pixel.
  ...Object.fromEntries(
    ['nearest', 'linear', 'cubic'].map((mode) =>
      resized(`${mode} half_pixel_symmetric`, [1.3, 0.7], {
        mode,
        coordinate_transformation_mode: 'half_pixel_symmetric',
      }),
    ),
  ),
  'Resize linear to sizes': {
    op: 'Resize',
    inputs: [x(1, 2, 4, 5), undefined, undefined, ints(1, 2, 7, 3)],
    attributes: { mode: 'linear' },
  },
  'Resize nearest to sizes on named axes': {
    op: 'Resize',
    inputs: [x(1, 2, 4, 5), undefined, undefined, ints(8, 3)],
    attributes: { axes: [2, 3] },
  },
  'Resize keeping the aspect ratio, not larger': {
    op: 'Resize',
    inputs: [x(1, 2, 4, 5), undefined, undefined, ints(8, 7)],
    attributes: { axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' },
  },
  'Resize keeping the aspect ratio, not smaller': {
    op: 'Resize',
    inputs: [x(1, 2, 4, 5), undefined, undefined, ints(8, 7)],
    attributes: { axes: [2, 3], keep_aspect_ratio_policy: 'not_smaller' },
  },
  'Resize linear of a region': {
    op: 'Resize',
    inputs: [x(1, 1, 4, 5), floats(0, 0, 0.2, -0.3, 1, 1, 0.9, 1.1), undefined, ints(1, 1, 5, 6)],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 3 },
  },
  'Resize nearest of a region': {
    op: 'Resize',
    inputs: [x(1, 1, 4, 5), floats(0, 0, 0.2, -0.3, 1, 1, 0.9, 1.1), undefined, ints(1, 1, 5, 6)],
    attributes: { mode: 'nearest', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 3 },
  },
  'Resize linear of volumes': {
    op: 'Resize',
    inputs: [x(1, 1, 2, 3, 2), undefined, floats(1, 1, 2, 1.5, 2)],
    attributes: { mode: 'linear' },
  },
};
