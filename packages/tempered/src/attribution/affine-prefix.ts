/** @file The first layers of a network as far as they are affine: sums of gradients go back through them at once. */
import { type AttributeInput, type GraphBuilder, gradient, type Node, type Value } from 'onnx-grad';

export interface AffinePrefix {
  /** The value that all of the network reads instead of the input: an affine function of it. */
  readonly end: Value;
  /** A sum of gradients by `end`, [N, ...], as one by the input; `at` are any N inputs. */
  pullBack(sum: Value, at: Value): Value;
}

/**
 * The convolution that a network starts with, and the scaling before it, when nothing else reads the input. Its Jacobian
 * is the same everywhere, so that a mean of gradients is pulled back once, not each gradient.
 *
 * @param x the input of a model that has been written into `g`
 */
export function affinePrefix(g: GraphBuilder, x: Value): AffinePrefix | undefined {
  const nodes: Node[] = [];
  let convolutions = 0;
  for (let value = x; ; value = g.value(nodes.at(-1)!.outputs[0]!)) {
    const readers = g.graph.nodes.filter(({ inputs }) => inputs.includes(value.name));
    const [node] = readers;
    if (readers.length !== 1 || !isAffine(g, node!, value)) break;
    nodes.push(node!);
    if (node!.op === 'Conv') convolutions = nodes.length;
  }
  if (convolutions === 0) return undefined;
  const chain = nodes.slice(0, convolutions);
  const end = g.value(chain.at(-1)!.outputs[0]!);
  return {
    end,
    pullBack: (sum, at) => {
      const copied = chain.reduce(
        (value, node, k) => copy(g, node, (k === 0 ? x.name : chain[k - 1]!.outputs[0])!, value),
        at,
      );
      return gradient(g, { of: copied, wrt: [at], cotangent: sum })[0]!;
    },
  };
}

/** Whether a node is affine in one input and has constants for the others. */
function isAffine(g: GraphBuilder, { op, domain, inputs }: Node, value: Value): boolean {
  const others = inputs.filter((name) => name !== value.name && name !== '').map((name) => g.value(name));
  const place = inputs.indexOf(value.name);
  const fits = { Conv: place === 0, Div: place === 0, Add: true, Sub: true, Mul: true }[op] ?? false;
  const once = inputs.filter((name) => name === value.name).length === 1;
  // A constant with a row for each image of the batch would not fit another batch.
  const forAnyBatch = ({ constant, shape }: Value) =>
    constant !== undefined && (op === 'Conv' || shape.length < value.shape.length || shape[0] === 1);
  return domain === '' && fits && once && others.every(forAnyBatch);
}

/** The node once more, with another value in place of `name`. */
function copy(g: GraphBuilder, { op, inputs, attributes }: Node, name: string, value: Value): Value {
  const given = inputs.map((input) => (input === name ? value : input === '' ? undefined : g.value(input)));
  const values = Object.entries(attributes).map(
    ([key, attribute]) => [key, attribute.value as AttributeInput] as const,
  );
  return g.op(op, given, Object.fromEntries(values));
}
