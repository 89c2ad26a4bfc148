/** @file Activation functions. */

import { ShapeError } from '../errors.ts';
import { mapBinary, mapUnary } from '../evaluate/broadcast.ts';
import { sigmoid, softplus } from '../evaluate/functions.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { type AttributeTable, likeInput, type Operator, required } from './operator.ts';
import { broadcastInputs, commonType, parametric, unary } from './pointwise.ts';

const floats = (defaults: Record<string, number>): AttributeTable =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, { kind: 'float', default: value }]));

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

export const activation: Record<string, Operator> = {
  Relu: unary((x) => Math.max(x, 0)),
  Sigmoid: unary(sigmoid),
  Tanh: unary(Math.tanh),
  Softplus: unary(softplus),
  Softsign: unary((x) => x / (1 + Math.abs(x))),
  Mish: unary((x) => x * Math.tanh(softplus(x))),
  HardSwish: unary((x) => x * clamp(x / 6 + 0.5, 0, 1)),
  HardSigmoid: parametric(
    floats({ alpha: 0.2, beta: 0.5 }),
    ({ alpha, beta }) =>
      (x) =>
        clamp(alpha * x + beta, 0, 1),
  ),
  LeakyRelu: parametric(
    floats({ alpha: 0.01 }),
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * x : x,
  ),
  Elu: parametric(
    floats({ alpha: 1 }),
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * Math.expm1(x) : x,
  ),
  Celu: parametric(
    floats({ alpha: 1 }),
    ({ alpha }) =>
      (x) =>
        x < 0 ? alpha * Math.expm1(x / alpha) : x,
  ),
  Selu: parametric(
    floats({ alpha: 1.6732632423543772, gamma: 1.0507009873554805 }),
    ({ alpha, gamma }) =>
      (x) =>
        gamma * (x < 0 ? alpha * Math.expm1(x) : x),
  ),
  ThresholdedRelu: parametric(
    floats({ alpha: 1 }),
    ({ alpha }) =>
      (x) =>
        x > alpha ? x : 0,
  ),
  Shrink: parametric(
    floats({ bias: 0, lambd: 0.5 }),
    ({ bias, lambd }) =>
      (x) =>
        x < -lambd ? x + bias : x > lambd ? x - bias : 0,
  ),
  /** The slope broadcasts to x, never the other way round. */
  PRelu: {
    attributes: {},
    infer: (context) => {
      const { shape } = required(context, 0);
      if (broadcastInputs(context).join() !== shape.join()) {
        throw new ShapeError(
          `the slope [${required(context, 1).shape}] of ${describeNode(context.node)} does not broadcast to [${shape}]`,
        );
      }
      return [{ dtype: commonType(context, [0, 1]), shape }];
    },
    evaluate: ({ inputs: [x, slope] }) => [mapBinary(x!, slope!, x!.shape, (p, q) => (p < 0 ? q * p : p))],
  },
  /** Both bounds are optional scalars. */
  Clip: {
    attributes: {},
    infer: (context) => {
      for (const index of [1, 2]) {
        const bound = context.inputs[index];
        if (bound === undefined) continue;
        commonType(context, [0, index]);
        if (sizeOf(bound.shape) !== 1)
          throw new ShapeError(`bound ${index} of ${describeNode(context.node)} is no scalar`);
      }
      return [likeInput(context)];
    },
    evaluate: ({ inputs: [x, min, max] }) => {
      const low = min?.data[0] ?? Number.NEGATIVE_INFINITY;
      const high = max?.data[0] ?? Number.POSITIVE_INFINITY;
      return [mapUnary(x!, (value) => clamp(value, low, high))];
    },
  },
};
