/** @file What a network makes of an input that is one number everywhere, up to some value: black, white, the ends of a box. */
import type { AttributeInput, GraphBuilder, Node, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';

interface Replay {
  /** The value that is one number everywhere, [N, ...]. */
  readonly origin: string;
  /** The value wanted. */
  readonly name: string;
  readonly value: number;
  /** Called with every node on the way, and the places of its inputs that depend on the origin. */
  check?(node: Node, reading: readonly number[]): void;
}

/** The value called `name` for a single image whose value `origin` is `value` everywhere, in a shape that broadcasts to all images'. */
export function replay(g: GraphBuilder, { origin, name, value, check }: Replay): Value {
  const { shape, ...like } = g.value(origin);
  const [count = 1, ...own] = shape;
  const known = new Map<string, Value>([[origin, g.constant(value, [1, ...own], like)]]);
  const isDependent = dependenceOn(g, origin);
  const compute = (wanted: string): Value => {
    const found = known.get(wanted);
    if (found !== undefined) return found;
    const original = g.value(wanted);
    const node = isDependent(wanted) ? g.producer(original) : undefined;
    // Noise is taken as it was drawn.
    if (node === undefined || node.op.startsWith('Random')) return original;
    check?.(
      node,
      node.inputs.flatMap((input, i) => (isDependent(input) ? [i] : [])),
    );
    const inputs = node.inputs.map((input) => (input === '' ? undefined : compute(input)));
    const single = (length: number) => (length % count === 0 ? length / count : length);
    const [first, ...rest] = original.shape;
    if (node.op === 'Reshape') known.set(wanted, g.reshape(inputs[0]!, [single(first!), ...rest]));
    else {
      if (node.op === 'Resize' && inputs[3]?.shape[0] === original.shape.length)
        inputs[3] = g.integers([single(first!), ...rest]);
      const results = g.node(node.op, inputs, plainAttributes(node), node.outputs.length);
      for (const [i, output] of node.outputs.entries()) known.set(output, results[i]!);
    }
    return known.get(wanted)!;
  };
  const result = compute(name);
  const whole = g.value(name).shape;
  if (result.shape.every((length, axis) => length === 1 || length === whole[axis])) return result;
  // Channels of an image may be images of their own.
  return g.op('Tile', [result, g.integers(whole.map((length, axis) => (axis === 0 ? length / result.shape[0]! : 1)))]);
}

/** A node's attributes, as a builder takes them. */
export const plainAttributes = (node: Node): Record<string, AttributeInput> =>
  Object.fromEntries(Object.entries(node.attributes).map(([name, { value }]) => [name, value as AttributeInput]));

function dependenceOn(g: GraphBuilder, origin: string): (name: string) => boolean {
  const known = new Map([[origin, true]]);
  const isDependent = (name: string): boolean => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const node = name === '' ? undefined : g.producer(g.value(name));
    const result = node?.inputs.some(isDependent) ?? false;
    known.set(name, result);
    return result;
  };
  return isDependent;
}

/** No element ever falls, or none ever rises, as the elements of the input rise. */
const MONOTONE: ReadonlySet<string> = new Set(
  (
    'Identity Dropout Cast Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Slice Gather Concat Split Pad ' +
    'DepthToSpace SpaceToDepth AveragePool MaxPool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ' +
    'ReduceMin Add Sum Mean Max Min Neg Clip Relu LeakyRelu ThresholdedRelu Elu Selu Celu Sigmoid HardSigmoid Tanh ' +
    'Softplus Softsign Erf Exp Log Sqrt Sign Floor Ceil Round QuantizeLinear DequantizeLinear'
  ).split(' '),
);

/** Of these in the first input alone; the others are fixed. */
const MONOTONE_IN_FIRST: ReadonlySet<string> = new Set(['Div', 'BatchNormalization']);

/**
 * The least or largest input of a layer, by what the network makes of the least and the largest image.
 *
 * @throws UsageError naming the first node on the way that does not keep the order of numbers
 */
export function endOfImages(g: GraphBuilder, image: string, layer: Node, name: string, value: number): Value {
  return replay(g, {
    origin: image,
    name,
    value,
    check: (node, reading) => {
      const [only, ...others] = reading;
      const keepsOrder =
        MONOTONE.has(node.op) ||
        (node.op === 'Resize' && node.attributes.mode?.value !== 'cubic') ||
        (others.length === 0 && (['Sub', 'Mul'].includes(node.op) || (only === 0 && MONOTONE_IN_FIRST.has(node.op))));
      if (!keepsOrder)
        throw new UsageError(
          `the box rule of ${layer.op} '${layer.name || layer.outputs[0]}' cannot tell how low and high the layer's input may be: ${node.op} '${node.name || node.outputs[0]}' between it and the image does not keep the order of numbers; give the first layer another rule, such as epsilonPlusFlat does`,
        );
    },
  });
}
