import {
  booleans,
  constant,
  fed,
  float,
  floats,
  int,
  integers,
  ints,
  numbers,
  type OperatorCase,
  on,
  tensor,
  text,
} from './operator-case.ts';

const image = floats([2, 3, 5, 6]);

const transposes = [
  [0, 2, 3, 1],
  [0, 3, 1, 2],
  [1, 0, 2, 3],
  [3, 2, 1, 0],
  [0, 1, 3, 2],
].map((order) => on('Transpose', order.join(' '), [image], { perm: ints(...order) }));

const pads = (
  [
    ['constant', 0.5],
    ['reflect', 0],
    ['edge', 0],
  ] as const
).map(([mode, value]) =>
  on('Pad', mode, [image, integers([0, 0, 1, 2, 0, 0, 2, 1]), constant(numbers([value], []))], { mode: text(mode) }),
);

const slices = (
  [
    ['crop', [1, 2], [4, 5], [2, 3], [1, 1]],
    ['stride 2', [0, 1], [5, 6], [2, 3], [2, 2]],
    ['stride 3 in channels', [0], [3], [1], [3]],
    ['counted from the end', [-3], [-1], [2], [1]],
  ] as const
).map(([name, ...parameters]) => on('Slice', name, [image, ...parameters.map((list) => integers(list))]));

const scatter = (['none', 'add', 'mul', 'max', 'min'] as const).flatMap((reduction) => [
  on('ScatterElements', reduction, [floats([3, 4]), integers([0, 2, 1, 3, 3, 0], [2, 3]), floats([2, 3], -1, 1, 5)], {
    axis: int(1),
    reduction: text(reduction),
  }),
  on('ScatterND', reduction, [floats([4, 3]), integers([2, 0], [2, 1]), floats([2, 3], -1, 1, 5)], {
    reduction: text(reduction),
  }),
]);

const resizes = (
  [
    ['nearest', 'asymmetric', 2, 2],
    ['nearest', 'half_pixel', 1.5, 2],
    ['linear', 'half_pixel', 2, 2],
    ['linear', 'align_corners', 2, 3],
    ['linear', 'asymmetric', 0.5, 0.5],
    ['linear', 'pytorch_half_pixel', 1.5, 2],
  ] as const
).map(([mode, coordinates, height, width]) =>
  on(
    'Resize',
    `${mode}, ${coordinates}, ${height} × ${width}`,
    [image, undefined, constant(numbers([1, 1, height, width]))],
    { mode: text(mode), coordinate_transformation_mode: text(coordinates), nearest_mode: text('floor') },
  ),
);

export const movementCases: readonly OperatorCase[] = [
  ...transposes,
  ...pads,
  ...slices,
  ...scatter,
  ...resizes,
  on('Reshape', 'to rows', [image, integers([2, -1])]),
  on('Reshape', 'split axis', [image, integers([2, 3, 5, 2, 3])]),
  on('Flatten', 'from axis 1', [image], { axis: int(1) }),
  on('Squeeze', 'two axes', [floats([1, 3, 1, 5]), integers([0, 2])]),
  on('Unsqueeze', 'two axes', [floats([3, 5]), integers([0, 2])]),
  on('Concat', 'channels', [floats([2, 3, 4]), floats([2, 1, 4], -1, 1, 5)], { axis: int(1) }),
  on('Concat', 'many', [floats([2, 3]), floats([2, 1], 0, 1, 5), floats([2, 4], 0, 1, 7), floats([2, 2], 0, 1, 9)], {
    axis: int(-1),
  }),
  on('Split', 'given lengths', [floats([2, 6, 3]), integers([1, 3, 2])], { axis: int(1) }, [
    'float32',
    'float32',
    'float32',
  ]),
  on('Expand', 'rows and columns', [floats([3, 1]), integers([2, 3, 4])]),
  on('Expand', 'scalar', [floats([]), integers([2, 3])]),
  on('Tile', 'two axes', [floats([2, 3]), integers([2, 3])]),
  on('Pad', 'crops where negative', [image, integers([0, 0, -1, 2, 0, 0, 1, -2]), constant(numbers([0], []))]),
  on('Pad', 'crops only', [image, integers([0, -1, -1, 0, 0, 0, -2, -1]), constant(numbers([0], []))]),
  on('Gather', 'rows', [floats([5, 4]), integers([4, 0, 0, 2])], { axis: int(0) }),
  on('Gather', 'reversed columns', [floats([2, 3, 5]), integers([4, 3, 2, 1, 0])], { axis: int(2) }),
  on('Gather', 'fed indices', [floats([5, 4]), fed(integers([1, 3, -1, 0], [2, 2]))], { axis: int(1) }),
  on('GatherElements', 'last axis', [floats([3, 4]), integers([0, 3, 1, 1, 2, 0], [3, 2])], { axis: int(1) }),
  on('GatherElements', 'first axis, fed', [floats([3, 4]), fed(integers([0, 2, 1, 1], [1, 4]))], { axis: int(0) }),
  on('GatherND', 'points', [floats([3, 4]), integers([0, 3, 2, 1], [2, 2])]),
  on('GatherND', 'batched', [floats([2, 3, 4]), integers([2, 0], [2, 1])], { batch_dims: int(1) }),
  on(
    'ScatterElements',
    'add, repeated indices',
    [floats([2, 4]), integers([1, 1, 1, 0, 3, 3], [2, 3]), floats([2, 3], -1, 1, 5)],
    { axis: int(1), reduction: text('add') },
  ),
  on('ScatterND', 'add, repeated indices', [floats([4, 3]), integers([2, 2, 0], [3, 1]), floats([3, 3], -1, 1, 5)], {
    reduction: text('add'),
  }),
  on('DepthToSpace', 'DCR', [floats([2, 8, 3, 4])], { blocksize: int(2), mode: text('DCR') }),
  on('DepthToSpace', 'CRD', [floats([2, 8, 3, 4])], { blocksize: int(2), mode: text('CRD') }),
  on('SpaceToDepth', 'blocks of 2', [floats([2, 3, 4, 6])], { blocksize: int(2) }),
  on('Trilu', 'upper', [floats([2, 4, 5])], { upper: int(1) }),
  on('Trilu', 'lower, diagonal −1', [floats([4, 4]), constant(integers([-1], []))], { upper: int(0) }),
  on('Shape', 'of an image', [image], {}, ['int64']),
  on('Size', 'of an image', [image], {}, ['int64']),
  on('Constant', 'tensor', [], { value: tensor('float32', [2], Float32Array.of(1, -2)) }),
  on('ConstantOfShape', 'filled', [fed(integers([2, 3]))], { value: tensor('float32', [1], Float32Array.of(0.5)) }),
  on('Range', 'floats', [numbers([0], []), numbers([5], []), numbers([0.5], [])]),
  on('OneHot', 'labels', [fed(integers([0, 3, 1])), constant(integers([4], [])), constant(numbers([0, 1]))]),
  on('NonZero', 'float', [numbers([0, 1, 2, 0, 0, 3], [2, 3])], {}, ['int64']),
  on('EyeLike', 'diagonal 1', [floats([3, 4])], { k: int(1) }),
  on('Compress', 'rows', [floats([3, 4]), booleans([1, 0, 1])], { axis: int(0) }),
  on('GridSample', 'bilinear', [floats([1, 2, 5, 5]), floats([1, 3, 4, 2], -0.9, 0.9, 5)], {
    mode: text('bilinear'),
    align_corners: int(0),
  }),
  on('Identity', 'integers', [fed(integers([1, 2]))], {}, ['int64']),
  on('Pad', 'axes given', [image, integers([1, 2]), constant(numbers([0], [])), integers([3])]),
  on('Resize', 'linear, half_pixel, to a size', [image, undefined, undefined, integers([2, 3, 13, 7])], {
    mode: text('linear'),
    coordinate_transformation_mode: text('half_pixel'),
  }),
  on('Resize', 'cubic', [image, undefined, constant(numbers([1, 1, 2, 2]))], {
    mode: text('cubic'),
    cubic_coeff_a: float(-0.75),
  }),
];
