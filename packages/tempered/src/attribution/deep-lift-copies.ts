/** @file Two applications of a network in one graph, compared node by node: DeepLIFT's activations and references. */
import { type GraphBuilder, isFloat, type Node, type Value } from 'onnx-grad';

/**
 * Knows the reference of every value: what the same node computes for the baseline. Nodes are compared, not modules, so
 * that weights and activations may be used any number of times.
 *
 * @example
 * const copies = new Copies(g, x, baseline);
 * const [output, baseOutput] = copies.write(() => network(x), () => network(baseline));
 */
export class Copies {
  readonly #g: GraphBuilder;
  readonly #references = new Map<string, Value>();
  readonly #varying: Set<string>;
  readonly #passing: Set<string>;

  constructor(g: GraphBuilder, x: Value, baseline: Value) {
    this.#g = g;
    this.#references.set(x.name, baseline);
    this.#varying = new Set([x.name]);
    this.#passing = new Set([x.name]);
  }

  /** Writes the same nodes for the image and for the baseline. */
  write<T>(image: () => T, reference: () => T): [T, T] {
    const { nodes } = this.#g.graph;
    const start = nodes.length;
    const at = image();
    const middle = nodes.length;
    const base = reference();
    this.#compare(nodes.slice(start, middle), nodes.slice(middle));
    return [at, base];
  }

  /** The value in the other copy; the value itself where both share it: constants, weights, targets. */
  reference(value: Value): Value {
    return this.#references.get(value.name) ?? value;
  }

  /** Whether the value depends on the input, and so may differ from its reference. */
  varies(value: Value): boolean {
    return this.#varying.has(value.name);
  }

  /** Whether it does so through floats, so that multipliers can go back; masks, indices and what is made of them do not. */
  passesOn(value: Value): boolean {
    return this.#passing.has(value.name);
  }

  #compare(image: readonly Node[], reference: readonly Node[]): void {
    if (image.map(({ op }) => op).join() !== reference.map(({ op }) => op).join())
      throw new Error('the network was written differently for the image and for the baseline');
    image.forEach((node, i) => {
      const other = reference[i]!;
      this.#share(node, other);
      const varies = node.inputs.some((name) => this.#varying.has(name));
      const passing = node.inputs.filter((name) => this.#passing.has(name));
      const quantized = node.op === 'QuantizeLinear' || passing.some((name) => !isFloat(this.#g.value(name).dtype));
      node.outputs.forEach((name, k) => {
        if (name === '') return;
        if (!varies) return;
        this.#references.set(name, this.#g.value(other.outputs[k]!));
        this.#varying.add(name);
        if (passing.length > 0 && (isFloat(this.#g.value(name).dtype) || quantized)) this.#passing.add(name);
      });
    });
  }

  /**
   * What does not depend on the input is read from the image's copy, so that it is computed once and a random network has
   * one draw of noise for both.
   */
  #share({ inputs }: Node, other: Node): void {
    other.inputs = inputs.map((name) => this.#references.get(name)?.name ?? name);
  }
}
