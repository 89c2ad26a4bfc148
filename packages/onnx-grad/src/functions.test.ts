/** Model-local functions and branches: ONNX Runtime runs both forms and must agree. */
import { describe, expect, test } from 'vitest';
import { ModelError, UnsupportedOpError } from './errors.ts';
import { emptyGraph, type FunctionDefinition, type Graph, type Node, type Tensor } from './graph.ts';
import { parseModel } from './parse.ts';
import { specialize } from './specialize.ts';
import { expectClose, runInOnnxRuntime } from './testing/onnxruntime.ts';
import { writeModel } from './write.ts';

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Node['attributes'] = {},
  domain = '',
): Node => ({
  name: '',
  op,
  domain,
  inputs,
  outputs,
  attributes,
});

const define = (name: string, parts: Partial<FunctionDefinition>): FunctionDefinition => ({
  name,
  domain: 'test',
  inputs: ['x'],
  outputs: ['y'],
  attributeNames: [],
  attributeDefaults: {},
  nodes: [],
  opsets: { '': 17, test: 1 },
  ...parts,
});

function modelOf(nodes: Node[], functions: FunctionDefinition[] = []): Graph {
  return {
    ...emptyGraph('model'),
    inputs: [{ name: 'x', dtype: 'float32', shape: [2, 3] }],
    outputs: [{ name: 'out', dtype: 'float32', shape: undefined }],
    nodes,
    opsets: { '': 17, test: 1 },
    functions,
  };
}

async function checkSame(model: Graph): Promise<Graph> {
  const feeds = { x: { dtype: 'float32' as const, shape: [2, 3], data: Float64Array.of(-2, -1, 0, 1, 2, 3) } };
  const read = parseModel(writeModel(model));
  expect(read).toEqual(model);
  const special = specialize(read, {});
  const expected = await runInOnnxRuntime(model, feeds);
  expectClose((await runInOnnxRuntime(special, feeds)).out!, expected.out!, 'out', 1e-6);
  return special;
}

const leaky = define('Leaky', {
  attributeNames: ['slope'],
  nodes: [node('LeakyRelu', ['x'], ['y'], { alpha: { kind: 'reference', value: 'slope' } })],
});

describe('functions', () => {
  test('attributes reach the body, calls nest, and names tell where values come from', async () => {
    const twice = define('Twice', {
      nodes: [
        node('Leaky', ['x'], ['h'], { slope: { kind: 'float', value: 0.5 } }, 'test'),
        node('Leaky', ['h'], ['y'], { slope: { kind: 'float', value: 0.25 } }, 'test'),
      ],
    });
    const call = { ...node('Twice', ['x'], ['h'], {}, 'test'), name: 'block' };
    const special = await checkSame(modelOf([call, node('Neg', ['h'], ['out'])], [leaky, twice]));
    expect(special.nodes.map((n) => [n.op, n.name])).toEqual([
      ['LeakyRelu', 'block/h/y'],
      ['LeakyRelu', 'block/y/y'],
      ['Neg', 'out'],
    ]);
    expect(special.functions).toEqual([]);
  });

  test('defaults of attributes hold where the caller gives none', async () => {
    const scaled = define('Scaled', {
      attributeDefaults: { slope: { kind: 'float', value: 0.125 } },
      nodes: [node('LeakyRelu', ['x'], ['y'], { alpha: { kind: 'reference', value: 'slope' } })],
    });
    await checkSame(modelOf([node('Scaled', ['x'], ['out'], {}, 'test')], [scaled]));
  });

  test('a body has its own operator set', () => {
    const old = define('Old', {
      opsets: { '': 9 },
      nodes: [node('Clip', ['x'], ['y'], { min: { kind: 'float', value: 0 }, max: { kind: 'float', value: 1 } })],
    });
    const special = specialize(modelOf([node('Old', ['x'], ['out'], {}, 'test')], [old]), {});
    expect(special.nodes[0]!.inputs.length).toBe(3);
  });

  test('recursion is an error', () => {
    const loop = define('Loop', { nodes: [node('Loop', ['x'], ['y'], {}, 'test')] });
    expect(() => specialize(modelOf([node('Loop', ['x'], ['out'], {}, 'test')], [loop]), {})).toThrow(ModelError);
  });

  test('functions that double at every level are an error, soon', () => {
    const levels = Array.from({ length: 40 }, (_, i) =>
      define(`F${i}`, {
        nodes:
          i === 0
            ? [node('Neg', ['x'], ['y'])]
            : [node(`F${i - 1}`, ['x'], ['h'], {}, 'test'), node(`F${i - 1}`, ['h'], ['y'], {}, 'test')],
      }),
    );
    expect(() => specialize(modelOf([node('F39', ['x'], ['out'], {}, 'test')], levels), {})).toThrow(
      /expand to more than/,
    );
  });

  test('too many inputs are an error', () => {
    expect(() => specialize(modelOf([node('Leaky', ['x', 'x'], ['out'], {}, 'test')], [leaky]), {})).toThrow(/takes 1/);
  });
});

describe('If', () => {
  const branch = (op: string, initializers = new Map<string, Tensor>()): Graph => ({
    ...emptyGraph(op),
    opsets: {},
    outputs: [{ name: `${op}_out`, dtype: 'float32', shape: undefined }],
    initializers,
    nodes: [node(op, ['h', ...initializers.keys()], [`${op}_out`])],
  });
  const two = new Map<string, Tensor>([['two', { dtype: 'float32', shape: [], data: Float32Array.of(2) }]]);
  const conditional = (condition: Node[]): Node[] => [
    node('Neg', ['x'], ['h']),
    ...condition,
    node('If', ['c'], ['out'], {
      then_branch: { kind: 'graph', value: branch('Mul', two) },
      else_branch: { kind: 'graph', value: branch('Exp') },
    }),
  ];
  const axis = (value: bigint): Node =>
    node('Constant', [], ['k'], {
      value: { kind: 'tensor', value: { dtype: 'int64', shape: [], data: BigInt64Array.of(value) } },
    });

  for (const [length, op] of [
    [2n, 'Mul'],
    [5n, 'Exp'],
  ] as const) {
    test(`a condition on shapes chooses ${op}`, async () => {
      const condition = [
        node('Shape', ['x'], ['shape'], { start: { kind: 'int', value: 0 }, end: { kind: 'int', value: 1 } }),
        axis(length),
        node('Equal', ['shape', 'k'], ['c']),
      ];
      const special = await checkSame(modelOf(conditional(condition)));
      expect(special.nodes.map((n) => n.op)).toEqual(['Neg', op]);
    });
  }

  test('a condition on data is not supported', () => {
    const condition = [
      node('ReduceSum', ['x'], ['s'], { keepdims: { kind: 'int', value: 0 } }),
      node('Cast', ['s'], ['c'], { to: { kind: 'int', value: 9 } }),
    ];
    expect(() => specialize(modelOf(conditional(condition)), {})).toThrow(UnsupportedOpError);
    expect(() => specialize(modelOf(conditional(condition)), {})).toThrow(/condition 'c' depends on the data/);
  });
});
