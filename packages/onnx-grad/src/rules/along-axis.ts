/** @file Gradients of operators that work along one axis. */
import { normalizeAxis } from '../operators/operator.ts';
import { type Rule, zeroGradient } from './rule.ts';

export const alongAxis: Record<string, Rule> = {
  Softmax: ({ g, dy, outputs: [y], attributes }) => [
    () => {
      const axis = normalizeAxis(attributes.axis, y!.shape.length, 'Softmax');
      return g.mul(y!, g.sub(dy, g.reduceSum(g.mul(dy, y!), [axis], true)));
    },
  ],
  LogSoftmax: ({ g, dy, outputs: [y], attributes }) => [
    () => {
      const axis = normalizeAxis(attributes.axis, y!.shape.length, 'LogSoftmax');
      return g.sub(dy, g.mul(g.exp(y!), g.reduceSum(dy, [axis], true)));
    },
  ],
  Hardmax: zeroGradient,
  ArgMax: zeroGradient,
  ArgMin: zeroGradient,
  /** The adjoint of a cumulative sum runs the other way. */
  CumSum: ({ g, dy, inputs: [, axis], attributes: { exclusive, reverse } }) => [
    () => g.op('CumSum', [dy, axis], { exclusive, reverse: 1 - reverse }),
  ],
  TopK: ({ g, dy, inputs: [x], outputs: [, indices], attributes }) => [
    () => g.op('ScatterElements', [g.zerosLike(x!), indices, dy], { axis: attributes.axis }),
  ],
};
