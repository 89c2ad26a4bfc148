/** @file Operators whose meaning, name or inputs changed between versions. */
import { ShapeError } from '../errors.ts';
import { sizeOf } from '../graph.ts';
import { normalizeAxis } from '../operators/operator.ts';
import {
  constantInput,
  copyNode,
  floatsAttribute,
  inputAt,
  intAttribute,
  intsAttribute,
  type Lowering,
  stringAttribute,
  unsupportedForm,
} from './lowering.ts';

/** Before version 13 the input counted as a matrix: the axes before `axis` (default 1) by the others. */
const softmax: Lowering = (context) => {
  const { g, node, version } = context;
  if (version >= 13) return copyNode(context);
  const x = inputAt(context, 0);
  const rank = x.shape.length;
  const axis = normalizeAxis(intAttribute(context, 'axis', 1), rank, node.op);
  if (axis === rank - 1) return copyNode(context, { set: { axis: -1 } });
  const matrix = g.reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
  return [g.reshape(g.op(node.op, [matrix], { axis: -1 }), x.shape)];
};

/** Before version 14, training mode was asked for by naming the extra outputs. */
const batchNormalization: Lowering = (context) => {
  const { node, version } = context;
  if (version >= 14) return copyNode(context);
  if (intAttribute(context, 'spatial', 1) !== 1)
    throw unsupportedForm(context, 'statistics for every position (spatial = 0)');
  if (node.outputs.slice(1).some((name) => name !== '')) {
    throw unsupportedForm(context, 'it is in training mode: export the model in evaluation mode');
  }
  return copyNode({ ...context, outputCount: 1 }, { omit: ['spatial'] });
};

const scatter: Lowering = (context) => [
  context.g.op(
    'ScatterElements',
    [0, 1, 2].map((i) => inputAt(context, i)),
    { axis: intAttribute(context, 'axis', 0) },
  ),
];

/** Averages over dilated windows came with version 19. */
const averagePool: Lowering = (context) => {
  if (intsAttribute(context, 'dilations')?.some((step) => step !== 1)) {
    throw unsupportedForm(context, 'averages over dilated windows');
  }
  return copyNode(context, { omit: ['dilations'] });
};

/** Integer rounding of the operator before version 11: positions scale from the corner, down for growth, up for shrinking. */
const resizeFromCorner: Lowering = (context) => {
  const { g, node, version } = context;
  const x = inputAt(context, 0);
  const scales =
    node.op === 'Upsample' && version < 9 ? [...(floatsAttribute(context, 'scales') ?? [])] : constantInput(context, 1);
  const mode = stringAttribute(context, 'mode', 'nearest');
  if (mode !== 'nearest' && mode !== 'linear' && mode !== 'bilinear')
    throw unsupportedForm(context, `the mode '${mode}'`);
  const shrinks = scales.some((scale) => scale < 1);
  if (mode === 'nearest' && shrinks && scales.some((scale) => scale > 1)) {
    throw unsupportedForm(context, 'it grows along one axis and shrinks along another');
  }
  return [
    g.op('Resize', [x, undefined, g.constant(scales, [scales.length])], {
      mode: mode === 'nearest' ? 'nearest' : 'linear',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: shrinks ? 'ceil' : 'floor',
    }),
  ];
};

const resize: Lowering = (context) => {
  const { inputs, version } = context;
  if (version < 11) return resizeFromCorner(context);
  const coordinates = stringAttribute(context, 'coordinate_transformation_mode', 'half_pixel');
  if (coordinates === 'tf_half_pixel_for_nn' || coordinates === 'half_pixel_symmetric') {
    throw unsupportedForm(context, `the coordinate transformation '${coordinates}'`);
  }
  // An empty tensor stands for an absent input, as roi and scales could not be left out in version 11.
  return copyNode(context, { inputs: inputs.map((value) => (value?.shape.includes(0) ? undefined : value)) });
};

/** Blocks of a tensor with a scale each came with version 21. */
const quantization: Lowering = (context) => {
  if (intAttribute(context, 'block_size', 0) !== 0) throw unsupportedForm(context, 'blockwise quantisation');
  return copyNode(context, { omit: ['block_size', 'saturate'] });
};

/** With every length written out, so that a reshape that changes nothing vanishes. */
const reshape: Lowering = (context) => {
  const x = inputAt(context, 0);
  const target = constantInput(context, 1);
  const keepZeros = intAttribute(context, 'allowzero', 0) === 1;
  const shape = target.map((length, axis) => (length === 0 && !keepZeros ? (x.shape[axis] ?? Number.NaN) : length));
  const known = sizeOf(shape.filter((length) => length !== -1));
  const total = sizeOf(x.shape);
  const wildcard = shape.indexOf(-1);
  if (wildcard >= 0) shape[wildcard] = known === 0 ? 0 : total / known;
  if (sizeOf(shape) !== total || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ShapeError(
      `${context.node.op} node '${context.node.name || context.node.outputs[0]}' cannot turn [${x.shape}] into [${target}]`,
    );
  }
  return [context.g.reshape(x, shape)];
};

export const changedMeaning: Record<string, Lowering> = {
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  DequantizeLinear: quantization,
  Hardmax: softmax,
  LogSoftmax: softmax,
  QuantizeLinear: quantization,
  Reshape: reshape,
  Resize: resize,
  Scatter: scatter,
  Softmax: softmax,
  Upsample: resizeFromCorner,
};
