/** @file The intermediate representation: an ONNX graph as plain, mutable data. */

export type DataType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** A dense array in row-major order. `bool` is held as Uint8Array, `float16` and `bfloat16` as the bits in Uint16Array. */
export interface Tensor {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A dimension: a number, a symbol ("N"), or unknown. */
export type Dimension = number | string | null;

/** A declared input or output. `shape` is undefined when the rank itself is unknown. */
export interface ValueInfo {
  name: string;
  dtype: DataType;
  shape: readonly Dimension[] | undefined;
}

/** An attribute keeps its ONNX kind, because 1 the integer and 1 the float are written differently. */
export type Attribute =
  | { kind: 'int' | 'float'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'ints' | 'floats'; value: readonly number[] }
  | { kind: 'strings'; value: readonly string[] }
  | { kind: 'tensor'; value: Tensor }
  | { kind: 'graph'; value: Graph }
  /** Inside a function body: takes the value of the caller's attribute of that name. */
  | { kind: 'reference'; value: string };

/** One operation. An absent optional input or output is the empty string. */
export interface Node {
  name: string;
  op: string;
  /** '' is the standard domain `ai.onnx`. */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, Attribute>;
}

/** A model-local function: a named sub-graph that nodes call like an operator. */
export interface FunctionDefinition {
  name: string;
  domain: string;
  inputs: string[];
  outputs: string[];
  attributeNames: string[];
  attributeDefaults: Record<string, Attribute>;
  nodes: Node[];
  opsets: Record<string, number>;
}

export interface Graph {
  name: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  /** Constants and parameters by name. An initializer that is also listed in `inputs` is a default of that input. */
  initializers: Map<string, Tensor>;
  /** In an order in which every node comes after those it reads from. */
  nodes: Node[];
  /** Operator set version by domain; '' is `ai.onnx`. */
  opsets: Record<string, number>;
  metadata: Record<string, string>;
  functions: FunctionDefinition[];
}

/** The operator set of every graph that `specialize` and `differentiate` return. */
export const CANONICAL_OPSET = 18;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dimension) => size * dimension, 1);

export const isFloat = (dtype: DataType): boolean =>
  dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';

/** "Conv", or "com.microsoft:FusedConv": how messages name an operator. */
export const operatorName = (node: { domain: string; op: string }): string =>
  node.domain === '' ? node.op : `${node.domain}:${node.op}`;

/** "Conv node 'conv1'": how messages name a node; a nameless node goes by its first output. */
export const describeNode = (node: Node): string =>
  `${operatorName(node)} node '${node.name || node.outputs.find((output) => output !== '') || '?'}'`;

export function emptyGraph(name: string): Graph {
  return {
    name,
    inputs: [],
    outputs: [],
    initializers: new Map(),
    nodes: [],
    opsets: { '': CANONICAL_OPSET },
    metadata: {},
    functions: [],
  };
}

/** A copy whose lists can be appended to; nodes and tensors are shared with the original. */
export function copyGraph(graph: Graph): Graph {
  return {
    ...graph,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    initializers: new Map(graph.initializers),
    nodes: [...graph.nodes],
  };
}
