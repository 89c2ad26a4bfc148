/** @file Small models that between them use every part of the format and each family of operators. */
import { type Attribute, emptyGraph, type Graph, type Node, type Tensor } from '../graph.ts';
import { writeModel } from '../write.ts';
import { testNumbers } from './check-rule.ts';

const floats = (shape: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(testNumbers(shape.reduce((a, b) => a * b, 1))),
});
const integers = (...values: number[]): Tensor => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const scalar = (value: number): Tensor => ({ dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) });
const int = (value: number): Attribute => ({ kind: 'int', value });
const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });

/** "Op a b -> c d" */
function node(text: string, attributes: Node['attributes'] = {}, domain = ''): Node {
  const [from, to] = text.split(' -> ') as [string, string];
  const [op, ...inputs] = from.split(' ') as [string, ...string[]];
  return {
    name: `node_${op}`,
    op,
    domain,
    inputs: inputs.map((name) => (name === '_' ? '' : name)),
    outputs: to.split(' '),
    attributes,
  };
}

function model(
  name: string,
  shape: readonly (number | string)[],
  initializers: Record<string, Tensor>,
  nodes: readonly Node[],
  parts: Partial<Graph> = {},
): { name: string; bytes: Uint8Array } {
  const graph: Graph = {
    ...emptyGraph(name),
    inputs: [{ name: 'x', dtype: 'float32', shape }],
    outputs: [{ name: 'y', dtype: 'float32', shape: undefined }],
    initializers: new Map(Object.entries(initializers)),
    nodes: [...nodes],
    opsets: { '': 17 },
    ...parts,
  };
  return { name, bytes: writeModel(graph) };
}

export const seeds = (): { name: string; bytes: Uint8Array }[] => [
  model(
    'convolution',
    ['N', 2, 6, 6],
    { w: floats([3, 2, 3, 3]), b: floats([3]), s: floats([3]), v: { ...floats([3]), data: Float32Array.of(1, 2, 3) } },
    [
      node('Conv x w b -> c', { pads: ints(1, 1, 1, 1), strides: ints(2, 2) }),
      node('BatchNormalization c s b b v -> n'),
      node('Relu n -> r'),
      node('MaxPool r -> m', { kernel_shape: ints(2, 2) }),
      node('GlobalAveragePool m -> g'),
      node('Flatten g -> y'),
    ],
  ),
  model(
    'attention',
    ['N', 4, 6],
    { q: floats([6, 6]), k: floats([6, 6]), shape: integers(0, 0, 2, 3), scale: floats([]) },
    [
      node('MatMul x q -> a'),
      node('MatMul x k -> b'),
      node('Reshape a shape -> a4'),
      node('Reshape b shape -> b4'),
      node('Transpose a4 -> a5', { perm: ints(0, 2, 1, 3) }),
      node('Transpose b4 -> b5', { perm: ints(0, 2, 3, 1) }),
      node('MatMul a5 b5 -> s'),
      node('Mul s scale -> t'),
      node('Softmax t -> p', { axis: int(-1) }),
      node('Einsum p a5 -> o', { equation: { kind: 'string', value: 'bhij,bhjd->bihd' } }),
      node('ReduceMean o -> y', { axes: ints(1, 2), keepdims: int(0) }),
    ],
  ),
  model(
    'shapes',
    ['N', 3, 4],
    {
      minus: integers(-1),
      zero: scalar(0),
      axes: integers(0),
      one: integers(1),
      three: integers(3),
      two: integers(2),
      end: scalar(2),
      step: scalar(1),
      tiles: integers(1, 2),
    },
    [
      node('Shape x -> s'),
      node('Gather s zero -> n'),
      node('Unsqueeze n axes -> n1'),
      node('Concat n1 minus -> target', { axis: int(0) }),
      node('Reshape x target -> f'),
      node('Slice f one three one two -> h'),
      node('ConstantOfShape s -> zeros', { value: { kind: 'tensor', value: floats([1]) } }),
      node('ReduceSum zeros -> total', { keepdims: int(0) }),
      node('Range zero end step -> range'),
      node('Cast range -> floats', { to: int(1) }),
      node('Add h total -> i'),
      node('Tile i tiles -> j'),
      node('Split j -> k l', { axis: int(1) }),
      node('Concat l k -> cc', { axis: int(1) }),
      node('ReduceSum floats -> rest', { keepdims: int(0) }),
      node('Sub cc rest -> y'),
    ],
  ),
  model(
    'resize',
    [1, 1, 4, 4],
    {
      scales: { dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 2) },
      pads: integers(0, 0, 1, 1, 0, 0, 1, 1),
      lo: floats([]),
      axis: scalar(3),
    },
    [
      node('Resize x _ scales -> r', { mode: { kind: 'string', value: 'linear' } }),
      node('Pad r pads -> p', { mode: { kind: 'string', value: 'reflect' } }),
      node('AveragePool p -> a', {
        kernel_shape: ints(3, 3),
        pads: ints(1, 1, 1, 1),
        ceil_mode: int(1),
        strides: ints(2, 2),
      }),
      node('Clip a lo -> c'),
      node('DepthToSpace d -> e', { blocksize: int(1) }),
      node('Identity c -> d'),
      node('CumSum e axis -> y'),
    ],
  ),
  model(
    'old',
    ['N', 4],
    { w: floats([4, 4]) },
    [
      node('Gemm x w -> g', { alpha: { kind: 'float', value: 0.5 } }),
      node('Clip g -> c', { min: { kind: 'float', value: -1 } }),
      node('Unsqueeze c -> u1', { axes: ints(1) }),
      node('MatMul u1 w -> m'),
      node('Squeeze m -> s', { axes: ints(1) }),
      node('Dropout s -> d'),
      node('TopK d -> t indices', { k: int(2) }),
      node('Softmax t -> p'),
      node('Slice p -> l', { starts: ints(0), ends: ints(1), axes: ints(1) }),
      node('LogSoftmax t -> q'),
      node('Add l q -> y'),
    ],
    { opsets: { '': 9 } },
  ),
  model(
    'function',
    [3],
    { three: integers(3) },
    [
      node('Shape x -> s'),
      node('Equal s three -> c'),
      node('Twice x -> h', { slope: { kind: 'float', value: 0.5 } }, 'test'),
      node('If c -> y', {
        then_branch: {
          kind: 'graph',
          value: {
            ...emptyGraph('then'),
            opsets: {},
            nodes: [node('Neg h -> a')],
            outputs: [{ name: 'a', dtype: 'float32', shape: [3] }],
          },
        },
        else_branch: {
          kind: 'graph',
          value: {
            ...emptyGraph('else'),
            opsets: {},
            nodes: [node('Exp h -> b')],
            outputs: [{ name: 'b', dtype: 'float32', shape: [3] }],
          },
        },
      }),
    ],
    {
      opsets: { '': 18, test: 1 },
      metadata: { classes: 'a,b' },
      functions: [
        {
          name: 'Twice',
          domain: 'test',
          inputs: ['v'],
          outputs: ['w'],
          attributeNames: ['slope'],
          attributeDefaults: {},
          nodes: [
            node('LeakyRelu v -> k', { alpha: { kind: 'reference', value: 'slope' } }),
            node('LeakyRelu k -> w', { alpha: { kind: 'reference', value: 'slope' } }),
          ],
          opsets: { '': 18 },
        },
      ],
    },
  ),
  model(
    'recent',
    ['N', 4, 2, 2],
    { s: floats([4]), b: floats([4]), v: floats([2]), axes: integers(2, 3) },
    [
      node('GroupNormalization x s b -> g', { num_groups: int(2) }),
      node('Gelu g -> h'),
      node('ReduceMax h axes -> r'),
      node('Where c h r -> w'),
      node('Greater h r2 -> c'),
      node('Neg r -> r2'),
      node('LayerNormalization w v -> y', { axis: int(-1) }),
    ],
    { opsets: { '': 21 } },
  ),
];
