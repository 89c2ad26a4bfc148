import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { create, type DescMessage, type Message, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, NodeProtoSchema, TensorProtoSchema, ValueInfoProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { ModelError } from './errors.ts';
import { parseModel } from './parse.ts';
import { writeModel } from './write.ts';

const fixtures = '../shared/fixtures/pytorch-gradients';

describe.skipIf(!existsSync(fixtures))(`models of ${fixtures} (skipped where it is absent)`, () => {
  for (const name of existsSync(fixtures) ? readdirSync(fixtures) : []) {
    test(`${name} is written as it was read`, () => {
      const graph = parseModel(readFileSync(`${fixtures}/${name}/model.onnx`));
      expect(graph.nodes.length).toBeGreaterThan(0);
      expect(parseModel(writeModel(graph))).toEqual(graph);
    });
  }
});

type Parts<T extends DescMessage> = Exclude<MessageInitShape<T>, Message>;

/** The bytes of a model around parts of a graph. */
function modelBytes(graph: Parts<typeof GraphProtoSchema>, model: Parts<typeof ModelProtoSchema> = {}): Uint8Array {
  const parts = { irVersion: 8n, opsetImport: [{ domain: '', version: 17n }], graph, ...model };
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, parts));
}

const node = (opType: string, input: string[], output: string[]) =>
  create(NodeProtoSchema, { opType, input, output, name: output[0]! });
const output = (name: string) => create(ValueInfoProtoSchema, { name });
const tensor = (parts: Parts<typeof TensorProtoSchema>) => create(TensorProtoSchema, { name: 'w', ...parts });

describe('tensors in typed fields', () => {
  for (const [code, parts, expected] of [
    [1, { floatData: [1.5, -2] }, Float32Array.of(1.5, -2)],
    [2, { int32Data: [1, 255] }, Uint8Array.of(1, 255)],
    [3, { int32Data: [-1, 127] }, Int8Array.of(-1, 127)],
    [4, { int32Data: [1, 65535] }, Uint16Array.of(1, 65535)],
    [5, { int32Data: [-1, 2] }, Int16Array.of(-1, 2)],
    [6, { int32Data: [-1, 2] }, Int32Array.of(-1, 2)],
    [7, { int64Data: [-1n, 2n ** 62n] }, BigInt64Array.of(-1n, 2n ** 62n)],
    [8, { stringData: [Uint8Array.of(97), Uint8Array.of(0xc3, 0xa4)] }, ['a', 'ä']],
    [9, { int32Data: [0, 1] }, Uint8Array.of(0, 1)],
    [10, { int32Data: [0x3c00, 0xbc00] }, Uint16Array.of(0x3c00, 0xbc00)],
    [11, { doubleData: [1.5, -2] }, Float64Array.of(1.5, -2)],
    [12, { uint64Data: [1n, 4294967295n] }, Uint32Array.of(1, 4294967295)],
    [13, { uint64Data: [1n, 2n ** 64n - 1n] }, BigUint64Array.of(1n, 2n ** 64n - 1n)],
    [16, { int32Data: [0x3f80, 0] }, Uint16Array.of(0x3f80, 0)],
  ] as [number, Parts<typeof TensorProtoSchema>, unknown][]) {
    test(`element type ${code}`, () => {
      const bytes = modelBytes({
        initializer: [tensor({ dataType: code, dims: [2n], ...parts })],
        output: [output('w')],
      });
      const graph = parseModel(bytes);
      expect(graph.initializers.get('w')!.data).toEqual(expected);
      expect(parseModel(writeModel(graph))).toEqual(graph);
    });
  }
});

test('nodes in any order are sorted; those in a valid order keep it', () => {
  const nodes = [node('Neg', ['b'], ['c']), node('Neg', ['a'], ['b']), node('Constant', [], ['a'])];
  const graph = parseModel(modelBytes({ node: nodes, output: [output('c')] }));
  expect(graph.nodes.map((n) => n.outputs[0])).toEqual(['a', 'b', 'c']);
});

test("the domain 'ai.onnx' is the standard one", () => {
  const graph = parseModel(modelBytes({}, { opsetImport: [{ domain: 'ai.onnx', version: 12n }] }));
  expect(graph.opsets).toEqual({ '': 12 });
});

describe('each kind of damage is one clear ModelError', () => {
  const good = modelBytes({
    initializer: [tensor({ dataType: 1, dims: [4n], floatData: [1, 2, 3, 4] })],
    output: [output('w')],
  });
  for (const [what, bytes, message] of [
    ['an empty file', new Uint8Array(), /not an ONNX file: it is empty/],
    ['text', new TextEncoder().encode('<!doctype html><html></html>'), /not an ONNX file/],
    ['an image', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13), /not an ONNX file/],
    ['zeros', new Uint8Array(64), /not an ONNX file/],
    ['a protobuf group', Uint8Array.of(8, 8, 0x5b, 0x5c), /damaged/],
    ['a cut file', good.subarray(0, good.length - 9), /truncated/],
    ['no graph', modelBytes({}, { graph: undefined }), /no graph/],
    ['a cycle', modelBytes({ node: [node('Neg', ['b'], ['a']), node('Neg', ['a'], ['b'])] }), /cycle/],
    ['an unknown name', modelBytes({ node: [node('Neg', ['b'], ['a'])] }), /reads 'b'/],
    [
      'a name twice',
      modelBytes({ node: [node('Constant', [], ['a']), node('Constant', [], ['a'])] }),
      /another value already has/,
    ],
    ['an output from nowhere', modelBytes({ output: [output('y')] }), /nothing computes the output 'y'/],
    [
      'too few elements',
      modelBytes({ initializer: [tensor({ dataType: 1, dims: [9n], floatData: [1] })] }),
      /9 elements/,
    ],
    [
      'too few bytes',
      modelBytes({ initializer: [tensor({ dataType: 1, dims: [2n ** 40n], rawData: Uint8Array.of(1) })] }),
      /truncated/,
    ],
    [
      'a negative length',
      modelBytes({ initializer: [tensor({ dataType: 1, dims: [-2n, -2n] })] }),
      /impossible dimension -2/,
    ],
    [
      'an unknown element type',
      modelBytes({ initializer: [tensor({ dataType: 77, dims: [0n] })] }),
      /unknown element type 77/,
    ],
    [
      '4-bit integers',
      modelBytes({ initializer: [tensor({ dataType: 22, dims: [0n] })] }),
      /int4, which is not supported/,
    ],
    [
      'an initializer twice',
      modelBytes({ initializer: [tensor({ dataType: 1, dims: [0n] }), tensor({ dataType: 1, dims: [0n] })] }),
      /two initializers/,
    ],
  ] as [string, Uint8Array, RegExp][]) {
    test(what, () => {
      expect(() => parseModel(bytes)).toThrow(ModelError);
      expect(() => parseModel(bytes)).toThrow(message);
    });
  }

  test('five million empty nodes in ten megabytes', () => {
    const size = 10_000_000;
    const bytes = new Uint8Array(size + 7);
    // ir_version = 8, then a graph (7) of `size` bytes, all of them empty nodes (1).
    bytes.set([8, 8, 58, (size & 127) | 128, ((size >> 7) & 127) | 128, ((size >> 14) & 127) | 128, size >> 21]);
    for (let i = 7; i < bytes.length; i += 2) bytes[i] = 10;
    expect(() => parseModel(bytes)).toThrow(ModelError);
    expect(() => parseModel(bytes)).toThrow(/more than 500000 parts/);
  });

  test('graphs nested a thousand deep', () => {
    let bytes: Uint8Array = toBinary(GraphProtoSchema, create(GraphProtoSchema, {}));
    const field = (tag: number, content: Uint8Array): Uint8Array => {
      const length: number[] = [];
      for (let rest = content.length; ; rest >>>= 7) {
        length.push(rest > 127 ? (rest & 127) | 128 : rest);
        if (rest <= 127) break;
      }
      return Uint8Array.of((tag << 3) | 2, ...length, ...content);
    };
    // GraphProto.node = 1, NodeProto.attribute = 5, AttributeProto.g = 6; every node needs an operator (4).
    for (let i = 0; i < 1000; i += 1) {
      const attribute = field(5, field(6, bytes));
      bytes = field(1, Uint8Array.of(...field(4, Uint8Array.of(73, 102)), ...attribute));
    }
    expect(() => parseModel(Uint8Array.of(8, 8, ...field(7, bytes)))).toThrow(ModelError);
  });
});
