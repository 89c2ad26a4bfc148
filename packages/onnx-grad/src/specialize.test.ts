import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ShapeError, UnsupportedOpError } from './errors.ts';
import { type DataType, type Dimension, emptyGraph, type Graph, type Node, sizeOf, type Tensor } from './graph.ts';
import { parseModel } from './parse.ts';
import { specialize } from './specialize.ts';
import { testNumbers } from './testing/check-rule.ts';
import { relativeError } from './testing/npy.ts';
import { runInOnnxRuntime } from './testing/onnxruntime.ts';

const shared = '../shared';
const list = (folder: string, name: (file: string) => string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .map((file) => `${folder}/${name(file)}`)
        .filter((path) => path.endsWith('.onnx'))
    : [];
const models = [
  ...list(`${shared}/fixtures/pytorch-gradients`, (file) => `${file}/model.onnx`),
  ...list(`${shared}/models`, (file) => file),
];

describe.skipIf(models.length === 0)('exported models (skipped where ../shared is absent)', () => {
  for (const path of models) {
    test(`${path.slice(shared.length + 1)} computes the same after specialisation`, async () => {
      const graph = parseModel(readFileSync(path));
      const { name, shape } = graph.inputs[0]!;
      const bound = shape!.map((dimension) => (typeof dimension === 'number' ? dimension : 2));
      const special = specialize(graph, { [name]: bound }, { parameters: 'all' });
      const idle = ['Identity', 'Dropout', 'Shape', 'Constant', 'Cast', 'ConstantOfShape'];
      expect(special.nodes.map((node) => node.op).filter((op) => idle.includes(op))).toEqual([]);
      expect(special.outputs.map((output) => output.name)).toEqual(graph.outputs.map((output) => output.name));
      const x = {
        dtype: 'float32' as const,
        shape: bound,
        data: Float64Array.from(testNumbers(sizeOf(bound)), Math.abs),
      };
      const before = await runInOnnxRuntime(graph, { [name]: x });
      const after = await runInOnnxRuntime(special, { [name]: x });
      for (const output of graph.outputs) {
        expect(relativeError(after[output.name]!.data, before[output.name]!.data)).toBeLessThanOrEqual(1e-5);
      }
    });
  }
});

interface Sketch {
  inputs: Record<string, readonly Dimension[] | undefined>;
  outputs: readonly string[];
  nodes: readonly (readonly [string, readonly string[], readonly string[], Node['attributes']?])[];
  initializers?: Record<string, Tensor>;
  opset?: number;
  dtypes?: Record<string, DataType>;
}

function sketch({ inputs, outputs, nodes, initializers = {}, opset = 17, dtypes = {} }: Sketch): Graph {
  return {
    ...emptyGraph('sketch'),
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, dtype: dtypes[name] ?? 'float32', shape })),
    outputs: outputs.map((name) => ({ name, dtype: dtypes[name] ?? 'float32', shape: undefined })),
    initializers: new Map(Object.entries(initializers)),
    nodes: nodes.map(([op, from, to, attributes = {}], i) => ({
      name: `node${i}`,
      op,
      domain: '',
      inputs: [...from],
      outputs: [...to],
      attributes,
    })),
    opsets: { '': opset },
  };
}

const floats = (...numbers: number[]): Tensor => ({
  dtype: 'float32',
  shape: [numbers.length],
  data: Float32Array.from(numbers),
});
const integers = (...numbers: number[]): Tensor => ({
  dtype: 'int64',
  shape: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});

describe('shapes', () => {
  const sum = sketch({
    inputs: { a: ['N', 3], b: ['N', null] },
    outputs: ['y'],
    nodes: [['Add', ['a', 'b'], ['y']]],
  });

  test('a symbol bound once holds everywhere', () => {
    const graph = specialize(
      sketch({ inputs: { a: ['N', 3], b: ['N', 1] }, outputs: ['y'], nodes: [['Add', ['a', 'b'], ['y']]] }),
      { a: [5, 3] },
    );
    expect(graph.inputs.map((input) => input.shape)).toEqual([
      [5, 3],
      [5, 1],
    ]);
    expect(graph.outputs[0]!.shape).toEqual([5, 3]);
  });

  for (const [what, shapes, message] of [
    ['an unnamed dimension needs a shape', { a: [2, 3] }, /the shape of input 'b', declared \[N, \?\], must be given/],
    ['an unbound symbol needs one', {}, /the shape of input 'a', declared \[N, 3\], must be given/],
    [
      'another length',
      { a: [2, 4], b: [2, 1] },
      /'a' is declared \[N, 3\], which the shape \[2, 4\] does not fit: axis 1 is 4, not 3/,
    ],
    ['another rank', { a: [2], b: [2, 1] }, /it has rank 1, not 2/],
    ['two values of a symbol', { a: [2, 3], b: [4, 1] }, /N is already 2/],
    ['an unknown name', { c: [2, 3] }, /the model has no input 'c'; its inputs are 'a' \[N, 3\], 'b' \[N, \?\]/],
    ['a fraction', { a: [2.5, 3], b: [2, 1] }, /whole numbers/],
    ['too much', { a: [2 ** 28, 3], b: [2 ** 28, 1] }, /more than 268435456 elements/],
    ['what does not broadcast', { a: [2, 3], b: [2, 2] }, /broadcast/],
  ] as [string, Record<string, number[]>, RegExp][]) {
    test(`${what} is an error`, () => {
      expect(() => specialize(sum, shapes)).toThrow(ShapeError);
      expect(() => specialize(sum, shapes)).toThrow(message);
    });
  }
});

test('shape arithmetic folds away, and names survive', () => {
  const graph = specialize(
    sketch({
      inputs: { x: ['N', 2, 3] },
      outputs: ['y'],
      initializers: {
        zero: { dtype: 'int64', shape: [], data: BigInt64Array.of(0n) },
        rest: integers(-1),
        axes: integers(0),
      },
      nodes: [
        ['Shape', ['x'], ['shape']],
        ['Gather', ['shape', 'zero'], ['batch']],
        ['Unsqueeze', ['batch', 'axes'], ['batch1']],
        ['Concat', ['batch1', 'rest'], ['target'], { axis: { kind: 'int', value: 0 } }],
        ['Identity', ['x'], ['same']],
        ['Reshape', ['same', 'target'], ['flat']],
        ['Relu', ['flat'], ['y']],
      ],
    }),
    { x: [4, 2, 3] },
  );
  expect(graph.nodes.map((node) => [node.name, node.op, node.outputs[0]])).toEqual([
    ['node5', 'Reshape', 'flat'],
    ['node6', 'Relu', 'y'],
  ]);
  expect(graph.initializers.size).toBe(1);
  expect(graph.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: [4, 6] }]);
});

test('outputs that are inputs, constants or twice the same value keep their names', async () => {
  const graph = specialize(
    sketch({
      inputs: { x: [2] },
      outputs: ['same', 'constant', 'a', 'b'],
      initializers: { w: floats(1, 2) },
      nodes: [
        ['Identity', ['x'], ['same']],
        ['Add', ['w', 'w'], ['constant']],
        ['Neg', ['x'], ['a']],
        ['Identity', ['a'], ['b']],
      ],
    }),
    {},
  );
  const result = await runInOnnxRuntime(graph, { x: { dtype: 'float32', shape: [2], data: Float64Array.of(3, 4) } });
  expect(Object.entries(result).map(([name, { data }]) => [name, ...data])).toEqual([
    ['same', 3, 4],
    ['constant', 2, 4],
    ['a', -3, -4],
    ['b', -3, -4],
  ]);
});

test('parameters are neither folded nor renamed; other constants are', () => {
  const model = sketch({
    inputs: { x: [2] },
    outputs: ['y'],
    initializers: { w: floats(1, 2), two: floats(2), unused: floats(0) },
    nodes: [
      ['Mul', ['w', 'two'], ['doubled']],
      ['Mul', ['x', 'doubled'], ['y']],
    ],
  });
  const constant = specialize(model, {});
  expect(constant.nodes.length).toBe(1);
  expect([...constant.initializers.keys()]).toEqual(['doubled']);
  const variable = specialize(model, {}, { parameters: ['w'] });
  expect(variable.nodes.length).toBe(2);
  expect([...variable.initializers.keys()].sort()).toEqual(['two', 'w']);
  expect(() => specialize(model, {}, { parameters: ['v'] })).toThrow(/'v'/);
});

test('the graph passed in is left alone', () => {
  const model = sketch({ inputs: { x: ['N'] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]] });
  const copy = structuredClone(model);
  specialize(model, { x: [3] });
  expect(model).toEqual(copy);
});

test('huge constants are refused or left to the runtime', () => {
  const expand = (length: number) =>
    sketch({
      inputs: { x: [1] },
      outputs: ['y'],
      initializers: { one: floats(1), shape: integers(length) },
      nodes: [
        ['Expand', ['one', 'shape'], ['big']],
        ['Add', ['big', 'x'], ['y']],
      ],
    });
  expect(() => specialize(expand(2 ** 40), {})).toThrow(ShapeError);
  expect(specialize(expand(2 ** 24), {}).nodes.map((node) => node.op)).toEqual(['Expand', 'Add']);
  expect(specialize(expand(1000), {}).nodes.map((node) => node.op)).toEqual(['Add']);
});

describe('what is not supported is named', () => {
  for (const [what, opset, nodes, message] of [
    ['operator', 17, [['MaxUnpool', ['x'], ['y']]], /MaxUnpool node 'node0' \(domain ai.onnx, operator set 17\)/],
    [
      'later operator',
      17,
      [['Mish', ['x'], ['y']]],
      /Mish node 'node0' does not exist in operator set 17.* came with 18/,
    ],
    ['loop', 17, [['Loop', ['x'], ['y']]], /Loop node 'node0'/],
    ['attribute', 17, [['Relu', ['x'], ['y'], { slope: { kind: 'float', value: 1 } }]], /'slope'/],
  ] as [string, number, Sketch['nodes'], RegExp][]) {
    test(what, () => {
      const model = sketch({ inputs: { x: [2] }, outputs: ['y'], nodes, opset });
      expect(() => specialize(model, {})).toThrow(UnsupportedOpError);
      expect(() => specialize(model, {})).toThrow(message);
    });
  }
  test('operator set', () => {
    for (const opset of [6, 99]) {
      const model = sketch({ inputs: { x: [2] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]], opset });
      expect(() => specialize(model, {})).toThrow(new RegExp(`operator set ${opset}`));
    }
  });
});
