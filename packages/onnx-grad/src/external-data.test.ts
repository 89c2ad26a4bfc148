import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';
import { ModelError } from './errors.ts';
import { emptyGraph } from './graph.ts';
import { parseModel } from './parse.ts';
import { writeModel } from './write.ts';

const weights = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
const file = new Uint8Array(weights.buffer);

/** A model with one initializer of two floats, stored as `entries` say. */
function model(entries: Record<string, string>): Uint8Array {
  const graph = emptyGraph('external');
  graph.initializers.set('w', { dtype: 'float32', shape: [2], data: Float32Array.of(0, 0) });
  graph.outputs.push({ name: 'w', dtype: 'float32', shape: [2] });
  const proto = fromBinary(ModelProtoSchema, writeModel(graph));
  const tensor = proto.graph!.initializer[0]!;
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = 1;
  tensor.externalData = Object.entries(entries).map(([key, value]) => ({
    $typeName: 'onnx.StringStringEntryProto' as const,
    key,
    value,
  }));
  return toBinary(ModelProtoSchema, proto);
}

const read = (entries: Record<string, string>) =>
  parseModel(model(entries), {
    externalData: (location) => {
      if (location !== 'weights.bin') throw new Error('no such file');
      return file;
    },
  }).initializers.get('w')!.data;

test('offset and length choose a part of the file, without a copy', () => {
  const data = read({ location: 'weights.bin', offset: '8', length: '8' });
  expect([...(data as Float32Array)]).toEqual([2, 3]);
  expect((data as Float32Array).buffer).toBe(weights.buffer);
});

test('an offset off alignment is copied', () => {
  const bytes = new Uint8Array(10);
  bytes.set(new Uint8Array(Float32Array.of(5, 6).buffer), 1);
  const graph = parseModel(model({ location: 'a', offset: '1', length: '8' }), { externalData: () => bytes });
  expect([...(graph.initializers.get('w')!.data as Float32Array)]).toEqual([5, 6]);
});

test('without a reader the error says what to pass', () => {
  expect(() => parseModel(model({ location: 'weights.bin' }))).toThrow(/'weights.bin'.*externalData/);
});

for (const [what, entries, message] of [
  ['beyond the end', { location: 'weights.bin', offset: '28', length: '8' }, /truncated/],
  ['of another length', { location: 'weights.bin', offset: '0', length: '12' }, /2 elements/],
  ['missing', { location: 'other.bin' }, /no such file/],
  ['outside the folder', { location: '../weights.bin' }, /refused/],
  ['absolute', { location: '/etc/weights.bin' }, /refused/],
  ['absolute on Windows', { location: 'C:\\weights.bin' }, /refused/],
  ['unnamed', {}, /refused/],
  ['at a bad position', { location: 'weights.bin', offset: '-4' }, /bad position/],
] as [string, Record<string, string>, RegExp][]) {
  test(`data ${what} are an error`, () => {
    expect(() => read(entries)).toThrow(ModelError);
    expect(() => read(entries)).toThrow(message);
  });
}
