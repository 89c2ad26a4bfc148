/** @file Operators that came after the canonical operator set, or are made of others, written with canonical ones. */
import type { GraphBuilder } from '../builder.ts';
import { ShapeError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import { normalizeAxis } from '../operators/operator.ts';
import type { Value } from '../value.ts';
import { attention } from './attention.ts';
import {
  floatAttribute,
  inputAt,
  intAttribute,
  intsAttribute,
  type Lowering,
  type LoweringContext,
  stringAttribute,
  unsupportedForm,
} from './lowering.ts';

/** x·Φ(x), with the normal distribution function Φ (Hendrycks & Gimpel 2016). */
function exactGelu(g: GraphBuilder, x: Value): Value {
  const erf = g.op('Erf', [g.scale(x, Math.SQRT1_2)]);
  return g.mul(g.scale(x, 0.5), g.offset(erf, 1));
}

/** Its approximation 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
function tanhGelu(g: GraphBuilder, x: Value): Value {
  const inner = g.mul(x, g.offset(g.scale(g.square(x), 0.044715), 1));
  return g.mul(g.scale(x, 0.5), g.offset(g.tanh(g.scale(inner, Math.sqrt(2 / Math.PI))), 1));
}

/** The first input, plus the second where there is one. */
function biased(context: LoweringContext): Value {
  const x = inputAt(context, 0);
  const bias = context.inputs[1];
  return bias === undefined ? x : context.g.add(x, bias);
}

const gelu: Lowering = (context) => {
  const approximation = stringAttribute(context, 'approximate', 'none');
  if (approximation !== 'none' && approximation !== 'tanh') {
    throw unsupportedForm(context, `the approximation '${approximation}'`);
  }
  return [(approximation === 'tanh' ? tanhGelu : exactGelu)(context.g, inputAt(context, 0))];
};

/** x·sigmoid(α·x). */
const swish =
  (defaultAlpha: number): Lowering =>
  (context) => {
    const { g } = context;
    const x = inputAt(context, 0);
    return [g.mul(x, g.sigmoid(g.scale(x, floatAttribute(context, 'alpha', defaultAlpha))))];
  };

/** x / √(mean(x²) + ε) · scale, over the axes from `axis` on. */
const rmsNormalization: Lowering = (context) => {
  const { g, node } = context;
  const x = inputAt(context, 0);
  const first = normalizeAxis(intAttribute(context, 'axis', -1), x.shape.length, describeNode(node));
  const axes = x.shape.flatMap((_, axis) => (axis < first ? [] : [axis]));
  const power = g.offset(g.reduceMean(g.square(x), axes, true), floatAttribute(context, 'epsilon', 1e-5));
  return [g.mul(g.div(x, g.sqrt(power)), inputAt(context, 1))];
};

/** An InstanceNormalization whose channels are the groups. Version 18 scales groups, version 21 channels. */
const groupNormalization: Lowering = (context) => {
  const { g, node, version } = context;
  const [x, scale, bias] = [0, 1, 2].map((i) => inputAt(context, i)) as [Value, Value, Value];
  const [images, channels] = x.shape;
  const groups = intAttribute(context, 'num_groups');
  const epsilon = floatAttribute(context, 'epsilon', 1e-5);
  if (images === undefined || channels === undefined || groups === undefined || groups < 1 || channels % groups !== 0) {
    throw new ShapeError(`${describeNode(node)} cannot divide shape [${x.shape}] into ${groups} groups of channels`);
  }
  const perChannel = version >= 21;
  for (const parameter of [scale, bias]) {
    if (parameter.shape.join() === `${perChannel ? channels : groups}`) continue;
    throw new ShapeError(
      `${describeNode(node)} needs ${perChannel ? channels : groups} scales and biases, not shape [${parameter.shape}]`,
    );
  }
  const grouped = g.reshape(x, [images, groups, x.shape.slice(1).reduce((a, b) => a * b, 1) / groups]);
  const parameters = perChannel ? [g.constant(1, [groups], x), g.constant(0, [groups], x)] : [scale, bias];
  const y = g.reshape(g.op('InstanceNormalization', [grouped, ...parameters], { epsilon }), x.shape);
  if (!perChannel) return [y];
  const shape = x.shape.slice(1).map((_, i) => (i === 0 ? channels : 1));
  return [g.add(g.mul(y, g.reshape(scale, shape)), g.reshape(bias, shape))];
};

/** (x − mean) / (deviation + 1e-9). */
const meanVarianceNormalization: Lowering = (context) => {
  const { g, node } = context;
  const x = inputAt(context, 0);
  const axes = (intsAttribute(context, 'axes') ?? [0, 2, 3]).map((axis) =>
    normalizeAxis(axis, x.shape.length, describeNode(node)),
  );
  const centred = g.sub(x, g.reduceMean(x, axes, true));
  // Kept above 0, where the slope of the root would be infinite; far below what 1e-9 lets through.
  const variance = g.max(g.reduceMean(g.square(centred), axes, true), g.constant(1e-36, [], x));
  return [g.div(centred, g.offset(g.sqrt(variance), 1e-9))];
};

/** α·A′·B′, where ′ is an optional transpose of the last two axes. */
const fusedMatMul: Lowering = (context) => {
  const { g } = context;
  if (intAttribute(context, 'transBatchA', 0) || intAttribute(context, 'transBatchB', 0)) {
    throw unsupportedForm(context, 'transposed batch axes');
  }
  const [a, b] = ['transA', 'transB'].map((name, i) => {
    const value = inputAt(context, i);
    return intAttribute(context, name, 0) && value.shape.length > 1 ? g.matrixTranspose(value) : value;
  }) as [Value, Value];
  return [g.scale(g.matmul(a, b), floatAttribute(context, 'alpha', 1))];
};

/** Keyed by operator, with its domain in front where that is not the standard one. */
export const newer: Record<string, Lowering> = {
  Attention: attention,
  Gelu: gelu,
  GroupNormalization: groupNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  RMSNormalization: rmsNormalization,
  Swish: swish(1),
  'com.microsoft:BiasGelu': (context) => [exactGelu(context.g, biased(context))],
  'com.microsoft:FastGelu': (context) => [tanhGelu(context.g, biased(context))],
  'com.microsoft:FusedMatMul': fusedMatMul,
  'com.microsoft:Gelu': (context) => [exactGelu(context.g, inputAt(context, 0))],
  'com.microsoft:QuickGelu': swish(1.702),
};
