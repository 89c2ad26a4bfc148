/** @file Reads ONNX files. Tolerant of what exporters do, unmoved by what damage or malice does. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
  type TensorShapeProto_Dimension,
  type ValueInfoProto,
} from 'onnx-buf';
import { dataTypeOf } from './element-types.ts';
import { ModelError, UnsupportedOpError } from './errors.ts';
import { type ExternalData, type ExternalDataReader, externalDataSource } from './external-data.ts';
import type { Attribute, Dimension, FunctionDefinition, Graph, Node, ValueInfo } from './graph.ts';
import { isWellFormed } from './message-count.ts';
import { parseDimension, parseTensor } from './parse-tensor.ts';
import { type Names, topologicalSort } from './topological-sort.ts';

export interface ParseOptions {
  /** Gives the bytes of a file named in the model (a path relative to the model's folder): weights stored beside it. */
  externalData?: ExternalDataReader;
}

/** Deeper nesting of sub-graphs than this is damage. */
const MAX_DEPTH = 32;

/**
 * Reads an ONNX file. Weights are views of `bytes` where alignment allows, so `bytes` must not be changed afterwards.
 *
 * @throws ModelError when the file is not ONNX, truncated or inconsistent, or an external file is missing
 * @example
 * const graph = parseModel(await readFile('model.onnx'));
 */
export function parseModel(bytes: Uint8Array, { externalData }: ParseOptions = {}): Graph {
  const model = decode(bytes);
  if (model.graph === undefined) throw new ModelError('not an ONNX file: it holds no graph');
  const opsets = parseOpsets(model.opsetImport);
  const external = externalDataSource(externalData);
  const metadata: Record<string, string> = Object.create(null);
  for (const { key, value } of model.metadataProps) metadata[key] = value;
  return {
    ...parseGraph(model.graph, { external, depth: 0, outer: new Set() }),
    opsets,
    metadata,
    functions: model.functions.map((proto) => parseFunction(proto, external)),
  };
}

function decode(bytes: Uint8Array): ModelProto {
  if (bytes.byteLength === 0) throw new ModelError('not an ONNX file: it is empty');
  // Every model starts with its ir_version (field 1, a small number); what fails after that is cut off or damaged.
  const startsWell = bytes[0] === 0x08 && bytes[1]! < 0x40;
  const complaint = startsWell ? 'the ONNX file is truncated or damaged' : 'not an ONNX file';
  if (!isWellFormed(ModelProtoSchema, bytes)) throw new ModelError(complaint);
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
  } catch (error) {
    throw new ModelError(complaint, { cause: error });
  }
  if (model.graph === undefined && model.opsetImport.length === 0) throw new ModelError('not an ONNX file');
  return model;
}

interface Surroundings {
  external: ExternalData;
  depth: number;
  /** Names of the enclosing graphs, which a sub-graph may read. */
  outer: Names;
}

function parseGraph(proto: GraphProto, { external, depth, outer }: Surroundings): Graph {
  if (depth > MAX_DEPTH) throw new ModelError(`sub-graphs are nested more than ${MAX_DEPTH} deep`);
  if (proto.sparseInitializer.length > 0)
    throw new ModelError('sparse initializers are not supported: make them dense');
  const initializers: Graph['initializers'] = new Map();
  for (const tensor of proto.initializer) {
    if (tensor.name === '') throw new ModelError('an initializer has no name');
    if (initializers.has(tensor.name)) throw new ModelError(`two initializers are named '${tensor.name}'`);
    initializers.set(tensor.name, parseTensor(tensor, `initializer '${tensor.name}'`, external));
  }
  const inputs = proto.input.map((info) => parseValueInfo(info, depth === 0 ? 'required' : 'optional'));
  const own = new Set(initializers.keys());
  const declared = new Set<string>();
  for (const { name } of inputs) {
    if (declared.has(name)) throw new ModelError(`two inputs are named '${name}'`);
    declared.add(name);
    own.add(name);
  }
  const computed = new Set(proto.node.flatMap((node) => node.output));
  const visible: Names = { has: (name) => own.has(name) || computed.has(name) || outer.has(name) };
  const inner: Surroundings = { external, depth: depth + 1, outer: visible };
  const nodes = topologicalSort(
    proto.node.map((node) => parseNode(node, inner)),
    own,
    outer,
  );
  const outputs = proto.output.map((info) => parseValueInfo(info, 'optional'));
  const named = new Set<string>();
  for (const { name } of outputs) {
    if (!visible.has(name)) throw new ModelError(`nothing computes the output '${name}'`);
    if (named.has(name)) throw new ModelError(`two outputs are named '${name}'`);
    named.add(name);
  }
  return { name: proto.name, inputs, outputs, initializers, nodes, opsets: {}, metadata: {}, functions: [] };
}

function parseOpsets(imports: readonly OperatorSetIdProto[]): Record<string, number> {
  const opsets: Record<string, number> = Object.create(null);
  for (const { domain, version } of imports) opsets[standardDomain(domain)] = Number(version);
  return opsets;
}

const standardDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** Overloads of a function (a refinement of its name) are told apart by a suffix. */
const withOverload = (name: string, overload: string): string => (overload === '' ? name : `${name}:${overload}`);

function parseFunction(proto: FunctionProto, external: ExternalData): FunctionDefinition {
  const what = `function ${proto.domain}:${proto.name}`;
  const inner: Surroundings = {
    external,
    depth: 1,
    outer: new Set([...proto.input, ...proto.node.flatMap((n) => n.output)]),
  };
  const attributeDefaults: Record<string, Attribute> = Object.create(null);
  for (const attribute of proto.attributeProto)
    attributeDefaults[attribute.name] = parseAttribute(attribute, what, inner);
  return {
    name: withOverload(proto.name, proto.overload),
    domain: standardDomain(proto.domain),
    inputs: proto.input,
    outputs: proto.output,
    attributeNames: proto.attribute,
    attributeDefaults,
    nodes: topologicalSort(
      proto.node.map((node) => parseNode(node, inner)),
      new Set(proto.input),
    ),
    opsets: parseOpsets(proto.opsetImport),
  };
}

function parseNode(proto: NodeProto, inner: Surroundings): Node {
  if (proto.opType === '') throw new ModelError(`node '${proto.name}' has no operator`);
  const attributes: Record<string, Attribute> = Object.create(null);
  for (const attribute of proto.attribute) {
    attributes[attribute.name] = parseAttribute(attribute, `${proto.opType} node '${proto.name}'`, inner);
  }
  return {
    name: proto.name,
    op: withOverload(proto.opType, proto.overload),
    domain: standardDomain(proto.domain),
    inputs: proto.input,
    outputs: proto.output,
    attributes,
  };
}

function parseAttribute(proto: AttributeProto, owner: string, inner: Surroundings): Attribute {
  const what = `attribute '${proto.name}' of ${owner}`;
  if (proto.refAttrName !== '') return { kind: 'reference', value: proto.refAttrName };
  switch (proto.type === AttributeType.UNDEFINED ? guessType(proto) : proto.type) {
    case AttributeType.INT:
      return { kind: 'int', value: Number(proto.i) };
    case AttributeType.FLOAT:
      return { kind: 'float', value: proto.f };
    case AttributeType.STRING:
      return { kind: 'string', value: new TextDecoder().decode(proto.s) };
    case AttributeType.INTS:
      return { kind: 'ints', value: proto.ints.map(Number) };
    case AttributeType.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case AttributeType.STRINGS:
      return { kind: 'strings', value: proto.strings.map((bytes) => new TextDecoder().decode(bytes)) };
    case AttributeType.TENSOR:
      if (proto.t === undefined) throw new ModelError(`${what} lacks its tensor`);
      return { kind: 'tensor', value: parseTensor(proto.t, what, inner.external) };
    case AttributeType.GRAPH:
      if (proto.g === undefined) throw new ModelError(`${what} lacks its graph`);
      return { kind: 'graph', value: parseGraph(proto.g, inner) };
    default:
      throw new UnsupportedOpError(
        owner,
        `${what} is of a kind that is not supported (${AttributeType[proto.type] ?? proto.type})`,
      );
  }
}

/** Files of the first format versions leave the type out. */
function guessType(proto: AttributeProto): AttributeType {
  if (proto.t !== undefined) return AttributeType.TENSOR;
  if (proto.g !== undefined) return AttributeType.GRAPH;
  if (proto.ints.length > 0) return AttributeType.INTS;
  if (proto.floats.length > 0) return AttributeType.FLOATS;
  if (proto.strings.length > 0) return AttributeType.STRINGS;
  if (proto.s.length > 0) return AttributeType.STRING;
  return proto.f === 0 ? AttributeType.INT : AttributeType.FLOAT;
}

/** Outputs, and inputs of sub-graphs, may leave their type out; it is found by shape inference, until then float32. */
function parseValueInfo({ name, type }: ValueInfoProto, typed: 'required' | 'optional'): ValueInfo {
  const what = `'${name}'`;
  if (name === '') throw new ModelError('an input or output has no name');
  const value = type?.value;
  if (value?.case !== undefined && value.case !== 'tensorType') {
    throw new ModelError(
      `${what} is a ${value.case.replace('Type', '')}: only tensors are supported as inputs and outputs`,
    );
  }
  if (value?.case === undefined || value.value.elemType === 0) {
    if (typed === 'required') throw new ModelError(`input ${what} has no type`);
    return { name, dtype: 'float32', shape: undefined };
  }
  const { elemType, shape } = value.value;
  return { name, dtype: dataTypeOf(elemType, what), shape: shape?.dim.map((dim) => parseDeclaredDimension(dim, what)) };
}

/** Some exporters write −1 for "any". */
function parseDeclaredDimension({ value }: TensorShapeProto_Dimension, what: string): Dimension {
  if (value.case === 'dimParam') return value.value === '' ? null : value.value;
  if (value.case === undefined || value.value < 0n) return null;
  return parseDimension(value.value, what);
}
