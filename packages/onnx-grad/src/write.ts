/** @file Writes a graph as a standard ONNX file. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { DATA_TYPE_CODES } from './element-types.ts';
import { ModelError } from './errors.ts';
import type { Attribute, Dimension, FunctionDefinition, Graph, Node, Tensor, ValueInfo } from './graph.ts';

export interface WriteOptions {
  /** Version of the file format; the lowest that the graph's operator set allows when left out. */
  irVersion?: number;
}

/** A protobuf message cannot be longer; readers refuse it. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/**
 * Serialises a graph as an ONNX file, with its weights inside. `parseModel` gives the same graph back.
 *
 * @throws ModelError when the weights do not fit in one file (2 GB)
 * @example
 * await writeFile('gradient.onnx', writeModel(differentiate(graph)));
 */
export function writeModel(graph: Graph, { irVersion = lowestIrVersion(graph) }: WriteOptions = {}): Uint8Array {
  let weightBytes = 0;
  for (const { data } of graph.initializers.values()) weightBytes += Array.isArray(data) ? 0 : data.byteLength;
  if (weightBytes > MAX_MESSAGE_BYTES) {
    throw new ModelError(`the weights take ${(weightBytes / 2 ** 30).toFixed(1)} GB; an ONNX file holds at most 2 GB`);
  }
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    producerName: 'onnx-grad',
    opsetImport: writeOpsets(graph.opsets),
    graph: writeGraph(graph),
    metadataProps: Object.entries(graph.metadata).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    functions: graph.functions.map(writeFunction),
  });
  return toBinary(ModelProtoSchema, model);
}

/** The file format each operator set came with; 8 is the first with model-local functions. */
function lowestIrVersion(graph: Graph): number {
  const version = Math.max(graph.opsets[''] ?? 1, ...graph.functions.map((f) => f.opsets[''] ?? 1));
  if (version >= 25) return 12;
  if (version >= 23) return 11;
  if (version >= 21) return 10;
  return version >= 19 ? 9 : 8;
}

const writeOpsets = (opsets: Record<string, number>) =>
  Object.entries(opsets).map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
  );

function writeGraph(graph: Graph): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map(writeNode),
    initializer: [...graph.initializers].map(([name, tensor]) => writeTensor(tensor, name)),
    input: graph.inputs.map(writeValueInfo),
    output: graph.outputs.map(writeValueInfo),
  });
}

function writeNode(node: Node): NodeProto {
  return create(NodeProtoSchema, {
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: node.inputs,
    output: node.outputs,
    attribute: Object.entries(node.attributes).map(([name, attribute]) => writeAttribute(name, attribute)),
  });
}

function writeFunction(definition: FunctionDefinition): FunctionProto {
  return create(FunctionProtoSchema, {
    name: definition.name,
    domain: definition.domain,
    input: definition.inputs,
    output: definition.outputs,
    attribute: definition.attributeNames,
    attributeProto: Object.entries(definition.attributeDefaults).map(([name, a]) => writeAttribute(name, a)),
    node: definition.nodes.map(writeNode),
    opsetImport: writeOpsets(definition.opsets),
  });
}

function writeAttribute(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case 'int':
      return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: toInt64(attribute.value) });
    case 'float':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: attribute.value });
    case 'string':
      return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: encode(attribute.value) });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: attribute.value.map(toInt64) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: [...attribute.value] });
    case 'strings':
      return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings: attribute.value.map(encode) });
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: writeTensor(attribute.value) });
    case 'graph':
      return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: writeGraph(attribute.value) });
    case 'reference':
      // The kind of the caller's attribute is not kept; readers go by the reference.
      return create(AttributeProtoSchema, { name, refAttrName: attribute.value });
  }
}

function writeTensor({ dtype, shape, data }: Tensor, name = ''): TensorProto {
  const proto = create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: DATA_TYPE_CODES[dtype] });
  if (Array.isArray(data)) proto.stringData = data.map(encode);
  else proto.rawData = bytesOf(data);
  return proto;
}

/** The bytes of a typed array. ONNX is little-endian, and so is every platform JavaScript runs on today. */
function bytesOf(data: Exclude<Tensor['data'], string[]>): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = data;
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, byteOffset, byteLength);
  return Uint8Array.from(new Uint8Array(buffer, byteOffset, byteLength));
}

function writeValueInfo({ name, dtype, shape }: ValueInfo): ValueInfoProto {
  const value = create(TypeProto_TensorSchema, { elemType: DATA_TYPE_CODES[dtype] });
  if (shape !== undefined) value.shape = create(TensorShapeProtoSchema, { dim: shape.map(writeDimension) });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value } }),
  });
}

function writeDimension(dimension: Dimension) {
  if (dimension === null) return create(TensorShapeProto_DimensionSchema, {});
  return create(TensorShapeProto_DimensionSchema, {
    value:
      typeof dimension === 'number'
        ? { case: 'dimValue', value: toInt64(dimension) }
        : { case: 'dimParam', value: dimension },
  });
}

const encoder = new TextEncoder();
const encode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(encoder.encode(text));

/** Numbers hold integers up to 2^53; larger ones, such as "to the end" in Slice, have saturated on the way in. */
const toInt64 = (x: number): bigint => {
  const limit = 2n ** 63n;
  if (x >= 2 ** 63) return limit - 1n;
  return x <= -(2 ** 63) ? -limit : BigInt(Math.trunc(x));
};
