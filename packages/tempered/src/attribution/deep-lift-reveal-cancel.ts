/**
 * @file DeepLIFT's RevealCancel rule: what raises a unit and what lowers it go through its activation apart, so that they
 * do not hide each other. Shrikumar et al. 2017, §3.5.2, with the linear rule of §3.4, as in kundajelab/deeplift.
 */
import { derivativeAt, type GraphBuilder, type Node, type Rule, type RuleContext, type Value } from 'onnx-grad';
import { type Compared, compared, elementwise } from './deep-lift-compared.ts';
import type { Copies } from './deep-lift-copies.ts';
import { rescaleRules } from './deep-lift-rules.ts';
import { secants } from './deep-lift-secants.ts';
import { bySign, type Kind, type Signed, SignedContributions } from './deep-lift-signed.ts';

type SignedRule = (node: Compared, outgoing: Signed) => readonly ((() => Signed) | undefined)[];

/** What is below this share of a unit's value is a rounding error: its multiplier is that of the rescale rule. */
const NEAR = 1e-6;

/**
 * The backward pass of RevealCancel for `gradient`, which itself carries the multipliers of positive contributions; those
 * of negative ones go beside it.
 */
export class RevealCancel {
  readonly #g: GraphBuilder;
  readonly #copies: Copies;
  readonly #signed: SignedContributions;
  readonly #rescale: (node: Node) => Rule | undefined;
  /** What has come back to a value so far, by its name. */
  readonly #incoming = new Map<string, Signed[]>();

  /** @param everywhere whether activations have the rule after convolutions too, or after dense layers alone */
  constructor(g: GraphBuilder, copies: Copies, everywhere: boolean) {
    this.#g = g;
    this.#copies = copies;
    this.#signed = new SignedContributions(g, copies, everywhere);
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

  /** What `result` will read of a value, beside the gradient: its multipliers of negative contributions. */
  parts({ name }: Value): Value[] {
    return (this.#incoming.get(name) ?? []).map(({ negative }) => negative);
  }

  /** The multipliers of a value, each the mean of both, and its contributions; given what `gradient` returned for it. */
  result(value: Value, gradient: Value): { multipliers: Value; contributions: Value } {
    const g = this.#g;
    const { positive, negative } = this.#outgoing(value, gradient);
    const parts = this.#signed.of(value);
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
    const kind = this.#signed.kindOf(node);
    if (kind !== 'activation' && outgoing.positive === outgoing.negative) return both(this.#rescaled(at, dy));
    return this.#signedRules[kind](at, outgoing);
  }

  readonly #signedRules: Readonly<Record<Kind, SignedRule>> = {
    weighted: (node, { positive, negative }) => {
      const { g, inputs, baseInputs } = node;
      const image = this.#signed.varying(node.node)[0]!;
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
      const i = this.#signed.varying(node.node)[0]!;
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
        const before = this.#signed.of(inputs[0]!);
        const after = this.#signed.of(outputs[0]!);
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
