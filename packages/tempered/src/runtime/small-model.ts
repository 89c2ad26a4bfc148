import { type Attribute, CANONICAL_OPSET, type DataType, type Tensor, writeModel } from 'onnx-grad';

export interface SmallModel {
  /** Type of each input, with its shape where that is fixed. */
  readonly inputs: Readonly<Record<string, { readonly dtype: DataType; readonly shape?: readonly number[] }>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly nodes: readonly SmallNode[];
  /** Type of each output. */
  readonly outputs: Readonly<Record<string, DataType>>;
}

export interface SmallNode {
  readonly op: string;
  /** Names; '' for an absent input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/**
 * A serialised model of a few nodes, written down as it is: no shape inference and no folding come between the node and
 * the engine that is to be tried on it.
 */
export function smallModel({ inputs, constants = {}, nodes, outputs }: SmallModel): Uint8Array {
  return writeModel({
    name: 'small',
    inputs: Object.entries(inputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    outputs: Object.entries(outputs).map(([name, dtype]) => ({ name, dtype, shape: undefined })),
    initializers: new Map(Object.entries(constants)),
    nodes: nodes.map(({ op, attributes = {}, ...node }, i) => ({
      name: `${op}_${i}`,
      op,
      domain: '',
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      attributes: { ...attributes },
    })),
    opsets: { '': CANONICAL_OPSET },
    metadata: {},
    functions: [],
  });
}
