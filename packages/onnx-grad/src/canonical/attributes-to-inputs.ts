/** @file Operators whose axes, bounds or lengths were attributes before they became inputs. */
import { checkTableSize } from '../fold.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import {
  constantInput,
  copyNode,
  floatAttribute,
  inputAt,
  intAttribute,
  intsAttribute,
  type Lowering,
  type LoweringContext,
  stringAttribute,
  unsupportedForm,
} from './lowering.ts';

/** Axes as an attribute up to `before`, as the second input since. */
const axesInput =
  (before: number): Lowering =>
  (context) => {
    const { g, version, inputs } = context;
    if (version >= before) return copyNode(context);
    const axes = intsAttribute(context, 'axes');
    return copyNode(context, { inputs: [inputs[0], axes && g.integers(axes)], omit: ['axes'] });
  };

const unsqueeze: Lowering = (context) => {
  if (context.version >= 13) inputAt(context, 1);
  else if (intsAttribute(context, 'axes') === undefined) throw unsupportedForm(context, 'it names no axes');
  return axesInput(13)(context);
};

/** Axes default to all; an empty list means all too, unless noop_with_empty_axes says otherwise. */
const reduce =
  (before: number): Lowering =>
  (context) => {
    const { version, inputs } = context;
    if (version < before) return axesInput(before)(context);
    const none = inputs[1] !== undefined && inputs[1].shape[0] === 0;
    if (!none) return copyNode(context, { omit: inputs[1] === undefined ? [] : ['noop_with_empty_axes'] });
    if (intAttribute(context, 'noop_with_empty_axes', 0) === 1) return copyNode(context, { inputs: [inputs[0]] });
    return copyNode(context, { inputs: [inputs[0]], omit: ['noop_with_empty_axes'] });
  };

const clip: Lowering = (context) => {
  const { g, version } = context;
  if (version >= 11) return copyNode(context);
  const x = inputAt(context, 0);
  const bound = (name: string) => {
    const value = floatAttribute(context, name);
    return value === undefined ? undefined : g.constant(value, [], x);
  };
  return copyNode(context, { inputs: [x, bound('min'), bound('max')], omit: ['min', 'max'] });
};

const slice: Lowering = (context) => {
  const { g, version } = context;
  if (version >= 10) return copyNode(context);
  const x = inputAt(context, 0);
  const starts = intsAttribute(context, 'starts') ?? [];
  const ends = intsAttribute(context, 'ends') ?? [];
  const axes = intsAttribute(context, 'axes') ?? starts.map((_, axis) => axis);
  return [g.op('Slice', [x, g.integers(starts), g.integers(ends), g.integers(axes)])];
};

/** Always with the lengths written out. */
const split: Lowering = (context) => {
  const { g, version, inputs, outputCount } = context;
  const x = inputAt(context, 0);
  const axis = intAttribute(context, 'axis', 0);
  const length = x.shape.at(axis) ?? 0;
  const given = version >= 13 ? inputs[1] && constantInput(context, 1) : intsAttribute(context, 'split');
  const parts = intAttribute(context, 'num_outputs', outputCount);
  if (parts !== outputCount) throw unsupportedForm(context, `it has ${outputCount} outputs, but num_outputs ${parts}`);
  const size = Math.ceil(length / parts);
  const equal = Array.from({ length: parts }, (_, i) => Math.min(size, length - i * size));
  if (given === undefined && version < 18 && length % parts !== 0) {
    throw unsupportedForm(context, `${length} elements do not split into ${parts} equal parts`);
  }
  return g.node('Split', [x, g.integers(given ?? equal)], { axis }, outputCount);
};

const pad: Lowering = (context) => {
  const { g, version } = context;
  if (stringAttribute(context, 'mode', 'constant') === 'wrap') return [wrapAround(context)];
  if (version >= 11) return copyNode(context);
  const x = inputAt(context, 0);
  const pads = g.integers(intsAttribute(context, 'pads') ?? []);
  return copyNode(context, {
    inputs: [x, pads, g.constant(floatAttribute(context, 'value', 0), [], x)],
    omit: ['pads', 'value'],
  });
};

/** The mode 'wrap' came with version 19: each axis is read around its end. */
function wrapAround(context: LoweringContext): Value {
  const { g, inputs } = context;
  const x = inputAt(context, 0);
  const pads = constantInput(context, 1);
  const axes = inputs[3] === undefined ? x.shape.map((_, axis) => axis) : constantInput(context, 3);
  return axes.reduce((value, given, i) => {
    const axis = normalizeAxis(given, x.shape.length, context.node.op);
    const length = x.shape[axis]!;
    const before = pads[i] ?? 0;
    const total = length + before + (pads[i + axes.length] ?? 0);
    if (before === 0 && total === length) return value;
    checkTableSize(total, `an axis padded in mode 'wrap'`);
    if (length === 0 || total < 0) {
      throw unsupportedForm(context, `it makes an axis of length ${length} one of ${total}`);
    }
    const indices = Array.from({ length: total }, (_, k) => (((k - before) % length) + length) % length);
    return g.gather(value, g.integers(indices), axis);
  }, x);
}

const topK: Lowering = (context) => {
  const { g, version } = context;
  if (version >= 10) return copyNode(context);
  return copyNode(context, { inputs: [inputAt(context, 0), g.integers([intAttribute(context, 'k', 1)])], omit: ['k'] });
};

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'];

export const attributesToInputs: Record<string, Lowering> = {
  Clip: clip,
  Pad: pad,
  ReduceSum: reduce(13),
  ...Object.fromEntries(reductions.map((name) => [`Reduce${name}`, reduce(18)])),
  Slice: slice,
  Split: split,
  Squeeze: axesInput(13),
  TopK: topK,
  Unsqueeze: unsqueeze,
};
