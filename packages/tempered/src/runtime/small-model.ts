import { type Attribute, CANONICAL_OPSET, type DataType, type Tensor, writeModel } from 'onnx-grad';

export interface SmallModel {
  /** Type of each input; shapes are left open. */
  readonly inputs: Readonly<Record<string, DataType>>;
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
  const declare = (values: Readonly<Record<string, DataType>>) =>
    Object.entries(values).map(([name, dtype]) => ({ name, dtype, shape: undefined }));
  return writeModel({
    name: 'small',
    inputs: declare(inputs),
    outputs: declare(outputs),
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
