/**
 * @file DeepLIFT's RevealCancel rule: what raises a unit and what lowers it go through its activation apart, so that they
 * do not hide each other. Shrikumar et al. 2017, §3.5.2, with the linear rule of §3.4, as in kundajelab/deeplift.
 */
import { derivativeAt, type GraphBuilder, type Node, type Rule, type RuleContext, type Value } from 'onnx-grad';
import { again, type Compared, compared, elementwise } from './deep-lift-compared.ts';
import type { Copies } from './deep-lift-copies.ts';
import { rescaleRules } from './deep-lift-rules.ts';
import { secants } from './deep-lift-secants.ts';

/** What a value has twice: for what raises it above its reference, and for what lowers it. */
interface Signed {
  readonly positive: Value;
  readonly negative: Value;
}

type SignedRule = (node: Compared, outgoing: Signed) => readonly ((() => Signed) | undefined)[];

/**
 * - `weighted`: a map by weights, where contributions are sorted by sign anew (the linear rule)
 * - `additive`: sums and rearrangements, where what is positive stays so
 * - `scaling`: factors, which may be negative
 * - `activation`: the RevealCancel rule
 * - `other`: the rescale rule, after which what raises is whatever is above its reference
 */
type Kind = 'weighted' | 'additive' | 'scaling' | 'activation' | 'other';

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

/** What is below this share of a unit's value is a rounding error: its multiplier is that of the rescale rule. */
const NEAR = 1e-6;

/**
 * The backward pass of RevealCancel for `gradient`, which itself carries the multipliers of positive contributions; those
 * of negative ones go beside it.
 */
export class RevealCancel {
  readonly #g: GraphBuilder;
  readonly #copies: Copies;
  readonly #everywhere: boolean;
  readonly #rescale: (node: Node) => Rule | undefined;
  /** What has come back to a value so far, by its name. */
  readonly #incoming = new Map<string, Signed[]>();
  readonly #parts = new Map<string, Signed>();

  /** @param everywhere whether activations have the rule after convolutions too, or after dense layers alone */
  constructor(g: GraphBuilder, copies: Copies, everywhere: boolean) {
    this.#g = g;
    this.#copies = copies;
    this.#everywhere = everywhere;
    this.#rescale = rescaleRules(copies);
  }

  rules(node: Node): Rule | undefined {
    if (!this.#rescale(node) && !derivativeAt(node)) return undefined;
    return (context) =>
      this.#ruleOf(context).map((thunk, i) => {
        if (thunk === undefined) return undefined;
        return () => {
          const signed = thunk();
          const { name } = context.inputs[i]!;
          this.#incoming.set(name, [...(this.#incoming.get(name) ?? []), signed]);
          return signed.positive;
        };
      });
  }

  /** The multipliers of a value, each the mean of both, and its contributions; given what `gradient` returned for it. */
  result(value: Value, gradient: Value): { multipliers: Value; contributions: Value } {
    const g = this.#g;
    const { positive, negative } = this.#outgoing(value, gradient);
    const parts = this.#partsOf(value);
    return {
      multipliers: positive === negative ? positive : g.scale(g.add(positive, negative), 0.5),
      contributions: g.add(g.mul(positive, parts.positive), g.mul(negative, parts.negative)),
    };
  }

  #outgoing({ name }: Value, positive: Value): Signed {
    const parts = this.#incoming.get(name) ?? [];
    const equal = parts.every((part) => part.positive === part.negative);
    return { positive, negative: equal ? positive : this.#g.sum(parts.map(({ negative }) => negative)) };
  }

  #ruleOf(context: RuleContext): ReturnType<SignedRule> {
    const { node, outputs, dy } = context;
    if (outputs.length > 1) return both(this.#mergedOutputs(context));
    const at = compared(context, this.#copies, this.#rescale);
    const outgoing = this.#outgoing(outputs[0]!, dy);
    const kind = this.#kindOf(node);
    if (kind !== 'activation' && outgoing.positive === outgoing.negative) return both(this.#rescaled(at, dy));
    return this.#signedRules[kind](at, outgoing);
  }

  readonly #signedRules: Readonly<Record<Kind, SignedRule>> = {
    weighted: (node, { positive, negative }) => {
      const { g, inputs, baseInputs } = node;
      const image = this.#varying(node.node)[0]!;
      const [up, down] = bySign(g, inputs[1 - image]!);
      const through = (weights: Value, dy: Value) =>
        node.derivative({ inputs: inputs.with(1 - image, weights), dy })[image]!();
      const multiplier = () => {
        const change = g.sub(inputs[image]!, baseInputs[image]!);
        const zero = g.constant(0, [], change);
        const raised = g.add(through(up, positive), through(down, negative));
        const lowered = g.add(through(down, positive), through(up, negative));
        const unmoved = g.scale(g.add(raised, lowered), 0.5);
        return g.where(g.greater(change, zero), raised, g.where(g.less(change, zero), lowered, unmoved));
      };
      return both(inputs.map((_, i) => (i === image ? multiplier : undefined)));
    },
    additive: (node, { positive, negative }) => {
      const [raising, lowering] = [positive, negative].map((dy) => node.derivative({ dy })) as [Thunks, Thunks];
      return raising.map((thunk, i) => thunk && (() => ({ positive: thunk(), negative: lowering[i]!() })));
    },
    scaling: (node, { positive, negative }) => {
      const { g, inputs, dy } = node;
      const i = this.#varying(node.node)[0]!;
      const multipliers = () => {
        const factor = node.derivative({ dy: g.constant(1, dy.shape, dy) })[i]!();
        const rising = g.greater(factor, g.constant(0, [], factor));
        return {
          positive: g.mul(factor, g.where(rising, positive, negative)),
          negative: g.mul(factor, g.where(rising, negative, positive)),
        };
      };
      return inputs.map((_, k) => (k === i ? multipliers : undefined));
    },
    activation: (node, { positive, negative }) => [
      () => {
        const { g, inputs, outputs, baseInputs } = node;
        const before = this.#partsOf(inputs[0]!);
        const after = this.#partsOf(outputs[0]!);
        const rounding = g.scale(g.add(g.abs(inputs[0]!), g.abs(baseInputs[0]!)), NEAR);
        const through = (dy: Value, below: Value, above: Value) => {
          const near = g.lessOrEqual(g.abs(below), rounding);
          const slope = g.div(g.mul(dy, above), g.where(near, g.constant(1, [], below), below));
          return g.where(near, secants[node.node.op]!(elementwise({ ...node, dy })), slope);
        };
        return {
          positive: through(positive, before.positive, after.positive),
          negative: through(negative, before.negative, after.negative),
        };
      },
    ],
    other: (node, outgoing) => both(this.#rescaled(node, this.#merged(node.outputs[0]!, outgoing))),
  };

  #rescaled(node: Compared, dy: Value): Thunks {
    return this.#rescale(node.node)?.({ ...node, dy, dys: [dy] }) ?? node.derivative({ dy });
  }

  /** The multiplier of all that a value differs by: that of its sign. */
  #merged(value: Value, { positive, negative }: Signed): Value {
    const g = this.#g;
    return g.where(g.greater(value, this.#copies.reference(value)), positive, negative);
  }

  #mergedOutputs({ ...context }: RuleContext): Thunks {
    const dys = context.dys.map(
      (dy, k) => dy && this.#merged(context.outputs[k]!, this.#outgoing(context.outputs[k]!, dy)),
    );
    const node = compared({ ...context, dys, dy: dys[0] ?? context.dy }, this.#copies, this.#rescale);
    return this.#rescale(node.node)?.(node) ?? node.derivative({});
  }

  /** Inputs of a node that may differ from their references. */
  #varying({ inputs }: Node): number[] {
    return inputs.flatMap((name, i) => (name !== '' && this.#copies.varies(this.#g.value(name)) ? [i] : []));
  }

  #kindOf(node: Node): Kind {
    const varying = this.#varying(node);
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
    const varying = this.#varying(node);
    if (WEIGHTED.has(node.op) && varying.length === 1) return node;
    for (const i of varying) {
      const found = this.#lastWeighted(node.inputs[i]!, seen);
      if (found) return found;
    }
    return undefined;
  }

  /** How far a value is above its reference because of what raises it, and because of what lowers it (at most 0). */
  #partsOf(value: Value): Signed {
    const known = this.#parts.get(value.name);
    if (known) return known;
    const g = this.#g;
    const node = g.producer(value);
    const kind = node ? this.#kindOf(node) : 'other';
    const parts = kind === 'other' ? differenceBySign(g, value, this.#copies) : this.#partsAfter(kind, node!, value);
    this.#parts.set(value.name, parts);
    return parts;
  }

  #partsAfter(kind: Exclude<Kind, 'other'>, node: Node, value: Value): Signed {
    const g = this.#g;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : g.value(name))) as Value[];
    const i = this.#varying(node)[0]!;
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
      const { positive, negative } = this.#partsOf(inputs[0]!);
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
    if (input && this.#copies.varies(input)) return this.#partsOf(input)[sign];
    const isSummand = op === 'BatchNormalization' ? index === 2 || index === 3 : op === 'Sub' || ADDITIVE.has(op);
    return isSummand && input?.dtype.startsWith('float') ? this.#g.zerosLike(input) : input;
  }
}

type Thunks = ReturnType<Rule>;

/** The same multiplier for both. */
const both = (thunks: Thunks): ReturnType<SignedRule> =>
  thunks.map(
    (thunk) =>
      thunk &&
      (() => {
        const multiplier = thunk();
        return { positive: multiplier, negative: multiplier };
      }),
  );

const bySign = (g: GraphBuilder, x: Value): [Value, Value] => [g.relu(x), g.min(x, g.constant(0, [], x))];

function differenceBySign(g: GraphBuilder, value: Value, copies: Copies): Signed {
  const [positive, negative] = bySign(g, g.sub(value, copies.reference(value)));
  return { positive, negative };
}

/** The α of a Gemm. */
const factorOf = ({ op, attributes: { alpha } }: Node): number =>
  op === 'Gemm' && alpha?.kind === 'float' ? alpha.value : 1;
