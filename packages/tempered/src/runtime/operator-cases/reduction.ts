import { constant, float, floats, int, integers, numbers, type OperatorCase, on, text } from './operator-case.ts';

const REDUCTIONS = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceLogSum',
  'ReduceLogSumExp',
];

const reductions = REDUCTIONS.flatMap((operator) => [
  on(operator, 'last axis', [floats([2, 3, 17], 0.1, 1.5), integers([2])]),
  on(operator, 'first axis, axis kept', [floats([5, 3, 4], 0.1, 1.5), integers([0])], { keepdims: int(1) }),
  on(operator, 'spatial axes', [floats([2, 3, 7, 6], 0.5, 1.5), integers([2, 3])], { keepdims: int(0) }),
  on(operator, 'batch and space', [floats([4, 3, 3, 3], 0.5, 1.5), integers([0, 2, 3])], { keepdims: int(0) }),
  on(operator, 'everything', [floats([2, 3, 4], 0.5, 1.5)], { keepdims: int(0) }),
]);

const alongAxis = ['Softmax', 'LogSoftmax'].flatMap((operator) => [
  on(operator, 'last axis', [floats([3, 10], -8, 8)], { axis: int(-1) }),
  on(operator, 'channels', [floats([2, 5, 3, 3], -8, 8)], { axis: int(1) }),
  on(operator, 'large logits', [floats([3, 10], -300, 300)], { axis: int(1) }),
  on(operator, 'long rows', [floats([2, 1000], -8, 8)], { axis: int(1) }),
]);

const arg = ['ArgMax', 'ArgMin'].flatMap((operator) => [
  on(operator, 'last axis', [floats([3, 10])], { axis: int(1), keepdims: int(0) }, ['int64']),
  on(operator, 'ties', [numbers([1, 3, 3, 0, 0, 0], [2, 3])], { axis: int(1) }, ['int64']),
]);

export const reductionCases: readonly OperatorCase[] = [
  ...reductions,
  ...alongAxis,
  ...arg,
  on('Hardmax', 'last axis', [floats([3, 10])], { axis: int(-1) }),
  on('LpNormalization', 'l2', [floats([3, 10])], { axis: int(1), p: int(2) }),
  on('LpNormalization', 'l1', [floats([3, 4, 5])], { axis: int(1), p: int(1) }),
  on('CumSum', 'forward', [floats([3, 7]), constant(integers([1], []))]),
  on('CumSum', 'exclusive, reversed', [floats([3, 7]), constant(integers([0], []))], {
    exclusive: int(1),
    reverse: int(1),
  }),
  on('TopK', 'largest', [floats([3, 11]), integers([4])], { axis: int(1) }, ['float32', 'int64']),
  on('TopK', 'smallest', [floats([3, 11]), integers([2])], { axis: int(1), largest: int(0) }, ['float32', 'int64']),
  on('SoftmaxCrossEntropyLoss', 'mean', [floats([4, 5], -3, 3), integers([0, 4, 2, 2])], { reduction: text('mean') }),
  on('SoftmaxCrossEntropyLoss', 'each', [floats([4, 5], -3, 3), integers([0, 4, 2, 2])], { reduction: text('none') }),
  on('NegativeLogLikelihoodLoss', 'mean', [floats([4, 5], -3, 0), integers([0, 4, 2, 2])]),
  on('LRN', 'across channels', [floats([2, 7, 4, 4])], {
    size: int(5),
    alpha: float(0.1),
    beta: float(0.75),
    bias: float(1),
  }),
  on('Einsum', 'matrix product', [floats([3, 4]), floats([4, 5], -1, 1, 3)], { equation: text('ij,jk->ik') }),
  on('Einsum', 'batched, transposed', [floats([2, 3, 4]), floats([2, 5, 4], -1, 1, 3)], {
    equation: text('bij,bkj->bik'),
  }),
  on('Einsum', 'outer product', [floats([3]), floats([4], -1, 1, 3)], { equation: text('i,j->ij') }),
];
