/** @file What static shapes and evaluation mode make vanish: shapes, constants, Identity, Dropout, casts to the same type. */
import { DATA_TYPE_CODES, dataTypeOf } from '../element-types.ts';
import { ModelError } from '../errors.ts';
import { toTensor } from '../evaluate/array.ts';
import { describeNode, sizeOf, type Tensor } from '../graph.ts';
import { constantInput, copyNode, inputAt, intAttribute, type Lowering } from './lowering.ts';
import { drop } from './random.ts';

const shape: Lowering = (context) => {
  const x = inputAt(context, 0);
  // Array.prototype.slice clamps and counts from the end exactly as `start` and `end` do.
  return [context.g.integers(x.shape.slice(intAttribute(context, 'start', 0), intAttribute(context, 'end')))];
};

const size: Lowering = (context) => [context.g.integers([sizeOf(inputAt(context, 0).shape)], [])];

const constant: Lowering = ({ g, node }) => {
  for (const [name, attribute] of Object.entries(node.attributes)) {
    const tensor = constantTensor(name, attribute.value);
    if (tensor !== undefined) return [g.tensor(tensor)];
  }
  throw new ModelError(`${describeNode(node)} has no value`);
};

function constantTensor(name: string, value: unknown): Tensor | undefined {
  const list = (content: unknown): number[] => (Array.isArray(content) ? content : [content]).map(Number);
  const shapeOf = (content: unknown): number[] => (Array.isArray(content) ? [content.length] : []);
  switch (name) {
    case 'value':
      return value as Tensor;
    case 'value_float':
    case 'value_floats':
      return { dtype: 'float32', shape: shapeOf(value), data: Float32Array.from(list(value)) };
    case 'value_int':
    case 'value_ints':
      return toTensor({ dtype: 'int64', shape: shapeOf(value), data: Float64Array.from(list(value)) });
    case 'value_string':
    case 'value_strings':
      return {
        dtype: 'string',
        shape: shapeOf(value),
        data: Array.isArray(value) ? value.map(String) : [String(value)],
      };
    default:
      return undefined;
  }
}

const identity: Lowering = (context) => [inputAt(context, 0)];

const dropout: Lowering = (context) => {
  const { g, inputs, outputCount, version } = context;
  const x = inputAt(context, 0);
  // A ratio of 0 drops nothing even in training mode, which some exporters leave on.
  const ratio = version >= 12 && inputs[1]?.constant && constantInput(context, 1)[0];
  const training = version >= 12 ? inputs[2] : undefined;
  if (training !== undefined && ratio !== 0 && constantInput(context, 2)[0] !== 0)
    return drop(context, x, inputs[1] === undefined ? 0.5 : constantInput(context, 1)[0]!);
  if (outputCount === 1) return [x];
  return [x, g.constant(1, x.shape, { dtype: version >= 10 ? 'bool' : x.dtype })];
};

/** Saturation and rounding matter for 8-bit floats alone, which are not supported. */
const cast: Lowering = (context) => {
  const x = inputAt(context, 0);
  const to = dataTypeOf(intAttribute(context, 'to', 0), `the target of ${describeNode(context.node)}`);
  return to === x.dtype ? [x] : copyNode(context, { omit: ['saturate', 'round_mode'] });
};

const castLike: Lowering = (context) => {
  const x = inputAt(context, 0);
  const { dtype } = inputAt(context, 1);
  return dtype === x.dtype ? [x] : [context.g.op('Cast', [x], { to: DATA_TYPE_CODES[dtype] })];
};

export const staticLowerings: Record<string, Lowering> = {
  Cast: cast,
  CastLike: castLike,
  Constant: constant,
  Dropout: dropout,
  Identity: identity,
  Shape: shape,
  Size: size,
};
