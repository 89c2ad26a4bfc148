/** @file Random operators, written with RandomNormal and RandomUniform of fixed shape. Seeds are left out: who runs the graph has them. */
import { dataTypeOf } from '../element-types.ts';
import { type DataType, describeNode } from '../graph.ts';
import type { Value } from '../value.ts';
import {
  floatAttribute,
  inputAt,
  intAttribute,
  intsAttribute,
  type Lowering,
  type LoweringContext,
} from './lowering.ts';

type Draw = (context: LoweringContext, shape: readonly number[]) => Value;

const normal: Draw = (context, shape) =>
  context.g.op('RandomNormal', [], {
    shape,
    mean: floatAttribute(context, 'mean', 0),
    scale: floatAttribute(context, 'scale', 1),
  });

const uniform: Draw = (context, shape) =>
  context.g.op('RandomUniform', [], {
    shape,
    low: floatAttribute(context, 'low', 0),
    high: floatAttribute(context, 'high', 1),
  });

/** The type that a random operator's `dtype` asks for. */
function typeOf(context: LoweringContext, fallback: DataType): DataType {
  const code = intAttribute(context, 'dtype');
  return code === undefined ? fallback : dataTypeOf(code, `the type of ${describeNode(context.node)}`);
}

const ofShape =
  (draw: Draw): Lowering =>
  (context) => [context.g.cast(draw(context, intsAttribute(context, 'shape') ?? []), typeOf(context, 'float32'))];

const like =
  (draw: Draw): Lowering =>
  (context) => {
    const { shape, dtype } = inputAt(context, 0);
    return [context.g.cast(draw(context, shape), typeOf(context, dtype))];
  };

const bernoulli: Lowering = (context) => {
  const { g } = context;
  const probability = inputAt(context, 0);
  const drawn = g.cast(g.op('RandomUniform', [], { shape: probability.shape }), probability.dtype);
  return [g.cast(g.less(drawn, probability), typeOf(context, probability.dtype))];
};

/** The arg-max of log-probabilities plus Gumbel noise is a sample (Gumbel 1954); the bounds keep the logarithms finite. */
const multinomial: Lowering = (context) => {
  const { g } = context;
  const x = inputAt(context, 0);
  const [rows, classes] = x.shape as [number, number];
  const shape = [rows, intAttribute(context, 'sample_size', 1), classes];
  const drawn = g.op('RandomUniform', [], { shape, low: 2 ** -24, high: 1 - 2 ** -24 });
  const gumbel = g.neg(g.log(g.neg(g.log(drawn))));
  const scores = g.add(g.reshape(g.cast(x, 'float32'), [rows, 1, classes]), gumbel);
  return [g.cast(g.op('ArgMax', [scores], { axis: 2, keepdims: 0 }), typeOf(context, 'int32'))];
};

/** Dropout in training mode: what is kept is scaled up, so that the mean stays. Its outputs are the data and what was kept. */
export function drop({ g, outputCount }: LoweringContext, x: Value, ratio: number): Value[] {
  const kept = g.greaterOrEqual(g.op('RandomUniform', [], { shape: x.shape }), g.constant(ratio));
  const scaled = ratio < 1 ? g.scale(x, 1 / (1 - ratio)) : x;
  const dropped = g.mask(kept, scaled);
  return outputCount === 1 ? [dropped] : [dropped, kept];
}

export const randomLowerings: Record<string, Lowering> = {
  Bernoulli: bernoulli,
  Multinomial: multinomial,
  RandomNormal: ofShape(normal),
  RandomNormalLike: like(normal),
  RandomUniform: ofShape(uniform),
  RandomUniformLike: like(uniform),
};
