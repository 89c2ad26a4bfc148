/**
 * @file How far each value of a network is above its reference because of what raises it, and because of what lowers it:
 * the positive and negative contributions of DeepLIFT's RevealCancel rule (Shrikumar et al. 2017, §3.1 and §3.4).
 */
import type { GraphBuilder, Node, Value } from 'onnx-grad';
import { again } from './deep-lift-compared.ts';
import type { Copies } from './deep-lift-copies.ts';

/** What a value has twice: for what raises it above its reference, and for what lowers it. */
export interface Signed {
  readonly positive: Value;
  readonly negative: Value;
}

/**
 * - `weighted`: a map by weights, where contributions are sorted by sign anew (the linear rule)
 * - `additive`: sums and rearrangements, where what is positive stays so
 * - `scaling`: factors, which may be negative
 * - `activation`: the RevealCancel rule
 * - `other`: the rescale rule, after which what raises is whatever is above its reference
 */
export type Kind = 'weighted' | 'additive' | 'scaling' | 'activation' | 'other';

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));
const DENSE = words('Gemm MatMul Einsum');
const WEIGHTED = new Set([...DENSE, ...words('Conv ConvTranspose')]);
const ADDITIVE = words(
  'Add Sum Mean Concat Identity Reshape Flatten Squeeze Unsqueeze Transpose Expand Slice Pad AveragePool GlobalAveragePool ReduceMean ReduceSum',
);
const SCALING = words('BatchNormalization Mul Div Neg Sub');
const ACTIVATIONS = words(
  'Relu LeakyRelu PRelu ThresholdedRelu Clip Sigmoid HardSigmoid Tanh Softplus Softsign Elu Selu Celu Erf HardSwish Mish',
);

export class SignedContributions {
  readonly #g: GraphBuilder;
  readonly #copies: Copies;
  readonly #everywhere: boolean;
  readonly #parts = new Map<string, Signed>();

  /** @param everywhere whether activations have the rule after convolutions too, or after dense layers alone */
  constructor(g: GraphBuilder, copies: Copies, everywhere: boolean) {
    this.#g = g;
    this.#copies = copies;
    this.#everywhere = everywhere;
  }

  /** Inputs of a node that may differ from their references. */
  varying({ inputs }: Node): number[] {
    return inputs.flatMap((name, i) => (name !== '' && this.#copies.varies(this.#g.value(name)) ? [i] : []));
  }

  kindOf(node: Node): Kind {
    const varying = this.varying(node);
    const [first] = varying;
    const { op } = node;
    if (first === undefined || node.outputs.length > 1) return 'other';
    if (ADDITIVE.has(op)) return 'additive';
    if (varying.length > 1) return 'other';
    if (WEIGHTED.has(op)) return first < 2 && node.inputs.length > 1 && factorOf(node) > 0 ? 'weighted' : 'other';
    const shapes = [node.inputs[first]!, node.outputs[0]!].map((name) => this.#g.value(name).shape.join());
    if (SCALING.has(op))
      return shapes[0] === shapes[1] && (first === 0 || op === 'Mul' || op === 'Sub') ? 'scaling' : 'other';
    return ACTIVATIONS.has(op) && (this.#everywhere || this.#isDense(node.inputs[0]!)) ? 'activation' : 'other';
  }

  /** Whether the last layer with weights before a value is dense. */
  #isDense(name: string): boolean {
    const node = this.#lastWeighted(name, new Set());
    return node !== undefined && DENSE.has(node.op);
  }

  #lastWeighted(name: string, seen: Set<string>): Node | undefined {
    const node = seen.has(name) ? undefined : this.#g.producer(this.#g.value(name));
    seen.add(name);
    if (node === undefined) return undefined;
    const varying = this.varying(node);
    if (WEIGHTED.has(node.op) && varying.length === 1) return node;
    for (const i of varying) {
      const found = this.#lastWeighted(node.inputs[i]!, seen);
      if (found) return found;
    }
    return undefined;
  }

  /** How far a value is above its reference because of what raises it, and because of what lowers it (at most 0). */
  of(value: Value): Signed {
    const known = this.#parts.get(value.name);
    if (known) return known;
    const g = this.#g;
    const node = g.producer(value);
    const kind = node ? this.kindOf(node) : 'other';
    const parts = kind === 'other' ? differenceBySign(g, value, this.#copies) : this.#partsAfter(kind, node!, value);
    this.#parts.set(value.name, parts);
    return parts;
  }

  #partsAfter(kind: Exclude<Kind, 'other'>, node: Node, value: Value): Signed {
    const g = this.#g;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : g.value(name))) as Value[];
    const i = this.varying(node)[0]!;
    if (kind === 'weighted') {
      const [up, down] = bySign(g, inputs[1 - i]!);
      const { positive, negative } = differenceBySign(g, inputs[i]!, this.#copies);
      const apply = (part: Value, weights: Value) =>
        again(
          g,
          node,
          inputs
            .slice(0, 2)
            .with(i, part)
            .with(1 - i, weights),
        );
      return {
        positive: g.add(apply(positive, up), apply(negative, down)),
        negative: g.add(apply(positive, down), apply(negative, up)),
      };
    }
    if (kind === 'activation') {
      const [y, y0, x0] = [value, this.#copies.reference(value), this.#copies.reference(inputs[0]!)];
      const { positive, negative } = this.of(inputs[0]!);
      const [raised, lowered] = [positive, negative].map((part) => again(g, node, inputs.with(0, g.add(x0, part)))) as [
        Value,
        Value,
      ];
      return {
        positive: g.scale(g.add(g.sub(raised, y0), g.sub(y, lowered)), 0.5),
        negative: g.scale(g.add(g.sub(lowered, y0), g.sub(y, raised)), 0.5),
      };
    }
    const [raising, lowering] = (['positive', 'negative'] as const).map((sign) =>
      again(
        g,
        node,
        inputs.map((input, k) => this.#partOfInput(node, input, k, sign)),
      ),
    ) as [Value, Value];
    if (kind === 'additive') return { positive: raising, negative: lowering };
    return { positive: g.max(raising, lowering), negative: g.min(raising, lowering) };
  }

  /** What an additive or scaling node is given to compute a part: no constant summands. */
  #partOfInput({ op }: Node, input: Value, index: number, sign: keyof Signed): Value {
    if (input && this.#copies.varies(input)) return this.of(input)[sign];
    const isSummand = op === 'BatchNormalization' ? index === 2 || index === 3 : op === 'Sub' || ADDITIVE.has(op);
    return isSummand && input?.dtype.startsWith('float') ? this.#g.zerosLike(input) : input;
  }
}

export const bySign = (g: GraphBuilder, x: Value): [Value, Value] => [g.relu(x), g.min(x, g.constant(0, [], x))];

function differenceBySign(g: GraphBuilder, value: Value, copies: Copies): Signed {
  const [positive, negative] = bySign(g, g.sub(value, copies.reference(value)));
  return { positive, negative };
}

/** The α of a Gemm. */
const factorOf = ({ op, attributes: { alpha } }: Node): number =>
  op === 'Gemm' && alpha?.kind === 'float' ? alpha.value : 1;
