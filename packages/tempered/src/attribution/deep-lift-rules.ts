/**
 * @file DeepLIFT's rules as a backward pass: each node hands the multiplier of its output to its inputs so that
 * Σ multiplier · (input − reference) stays what it was. Shrikumar et al. 2017, §3; for operators that the paper does
 * not name, the difference is split symmetrically between the operands (the Shapley values of two players), as in
 * Lundberg & Lee 2017, §4.2.
 */
import { type GraphBuilder, gradient, type Node, type Rule, type Value } from 'onnx-grad';
import { type Compared, compared, elementwise, type RescaleRule } from './deep-lift-compared.ts';
import { composites } from './deep-lift-composites.ts';
import type { Copies } from './deep-lift-copies.ts';
import { midpoint, rectified, secants, uneven } from './deep-lift-secants.ts';
import { logSoftmax, reduceLogSumExp, softmax } from './deep-lift-softmax.ts';

/**
 * The rescale rule at every node that is not linear; linear nodes keep their derivative. Operators without a rule here
 * (TopK, Hardmax, ReduceProd, LpPool, products of three or more activations, positions that are computed from the image)
 * keep theirs too: how much they lose is in the certificate.
 */
export function rescaleRules(copies: Copies): (node: Node) => Rule | undefined {
  const rules = (node: Node): Rule | undefined => {
    const rule = Object.hasOwn(table, node.op) ? table[node.op] : undefined;
    return rule && ((context) => rule(compared(context, copies, rules)));
  };
  return rules;
}

/** Δ(a·b) = Δa·(b + b0)/2 + Δb·(a + a0)/2, for every operator that is linear in each of two operands. */
const product: RescaleRule = (node) => {
  const { g, inputs, baseInputs, copies } = node;
  const varying = inputs.filter((input) => input && copies.varies(input));
  if (varying.length < 2) return node.derivative({});
  const shared = unexplained(node);
  if (shared) return shared;
  return node.derivative({
    inputs: inputs.map((input, i) => (input && copies.varies(input) ? midpoint(g, input, baseInputs[i]!) : input)),
  });
};

/** One factor is a mask, to which no multiplier goes back: the other answers for the whole difference. */
function unexplained(node: Compared): ReturnType<Rule> | undefined {
  if (node.node.op !== 'Mul') return undefined;
  const { g, dy, inputs, outputs, baseInputs, baseOutputs, copies } = node;
  const passing = inputs.filter((input) => copies.passesOn(input));
  if (passing.length !== 1 || passing[0]!.shape.join() !== outputs[0]!.shape.join()) return undefined;
  const i = inputs.indexOf(passing[0]!);
  const slope = () =>
    uneven({
      g,
      dy,
      x: inputs[i]!,
      x0: baseInputs[i]!,
      y: outputs[0]!,
      y0: baseOutputs[0]!,
      context: node,
      derivativeAt: () => node.derivative({})[i]!(),
    });
  return inputs.map((_, k) => (k === i ? slope : undefined));
}

/** Δ(a/b) = Δa·(1/b + 1/b0)/2 − Δb·(a + a0)/2 / (b·b0). */
const division: RescaleRule = ({ g, dy, inputs: [a, b], baseInputs: [a0, b0] }) => [
  () => g.sumTo(g.scale(g.add(g.div(dy, b!), g.div(dy, b0!)), 0.5), a!.shape),
  () => g.neg(g.sumTo(g.div(g.mul(dy, midpoint(g, a!, a0!)), g.mul(b!, b0!)), b!.shape)),
];

/** max(a, b) = b + max(a − b, 0), and the rescale rule for the second part; it does not matter which operand is first. */
const larger =
  (sign: 1 | -1): RescaleRule =>
  ({ g, dy, inputs, baseInputs }) => {
    const pick = (a: Value, b: Value) => g.op(sign === 1 ? 'Max' : 'Min', [a, b]);
    const lead = (a: Value, b: Value) => (sign === 1 ? g.sub(a, b) : g.sub(b, a));
    const shares: Value[] = [];
    let [most, baseMost] = [inputs[0]!, baseInputs[0]!];
    for (const [i, input] of inputs.entries()) {
      if (i === 0) continue;
      const share = rectified(g, lead(input, most), lead(baseInputs[i]!, baseMost));
      const rest = g.sub(g.constant(1, [], share), share);
      shares.forEach((earlier, k) => {
        shares[k] = g.mul(earlier, rest);
      });
      if (i === 1) shares.push(rest);
      shares.push(share);
      [most, baseMost] = [pick(input, most), pick(baseInputs[i]!, baseMost)];
    }
    return inputs.map((input, i) => () => g.sumTo(shares[i] ? g.mul(dy, shares[i]) : dy, input.shape));
  };

/**
 * A maximum over many: what it rises above its reference belongs to the element that is largest now, what it falls below
 * to the one that was largest. Where an element equals its reference, the derivative. The convention of SHAP and Captum.
 */
const extreme =
  (sign: 1 | -1): RescaleRule =>
  (node) => [
    () => {
      const { g, dy, inputs, outputs, baseInputs, baseOutputs } = node;
      const [x, x0] = [inputs[0]!, baseInputs[0]!];
      const difference = g.sub(outputs[0]!, baseOutputs[0]!);
      const rise = g.relu(difference);
      const fall = g.sub(difference, rise);
      const [now, before] = sign === 1 ? [rise, fall] : [fall, rise];
      const contributions = g.add(
        node.derivative({ dy: g.mul(dy, now) })[0]!(),
        node.derivative({ dy: g.mul(dy, before), inputs: baseInputs, outputs: baseOutputs })[0]!(),
      );
      const change = g.sub(x, x0);
      const equal = g.equal(change, g.constant(0, [], x));
      const slope = g.div(contributions, g.where(equal, g.constant(1, [], x), change));
      return g.where(equal, node.derivative({})[0]!(), slope);
    },
  ];

/** Where the condition is the same for both, the difference is that of the operand chosen; elsewhere both rescale to it. */
const where: RescaleRule = (node) => {
  const { g, dy, inputs, baseInputs, outputs, baseOutputs, copies } = node;
  const [condition, a, b] = inputs as [Value, Value, Value];
  if (!copies.varies(condition)) return node.derivative({});
  const [, a0, b0] = baseInputs as [Value, Value, Value];
  const [chosen, baseChosen] = [condition, baseInputs[0]!].map((value) => g.cast(value, dy.dtype)) as [Value, Value];
  const same = g.equal(chosen, baseChosen);
  const shape = dy.shape;
  const differences = [...(copies.varies(a) ? [g.sub(a, a0)] : []), ...(copies.varies(b) ? [g.sub(b, b0)] : [])];
  const total = g.broadcast(g.sum(differences), shape);
  const none = g.equal(total, g.constant(0, [], total));
  const change = g.sub(outputs[0]!, baseOutputs[0]!);
  const slope = g.mask(g.not(none), g.div(change, g.where(none, g.constant(1, [], total), total)));
  const one = g.constant(1, [], dy);
  const pass = (share: Value, input: Value) => () =>
    g.sumTo(g.mul(dy, g.where(same, g.broadcast(share, shape), slope)), input.shape);
  return [undefined, pass(chosen, a), pass(g.sub(one, chosen), b)];
};

/** An operator that is written with others, whose rules then apply. */
const composite =
  (write: (g: GraphBuilder, inputs: readonly Value[], node: Compared) => Value): RescaleRule =>
  (node) => {
    const { g, dy, inputs, baseInputs, copies, rules } = node;
    const passing = inputs.flatMap((input, i) => (input && copies.passesOn(input) ? [i] : []));
    const [of] = copies.write(
      () => write(g, inputs, node),
      () => write(g, baseInputs, node),
    );
    const wrt = passing.map((i) => inputs[i]!);
    const multipliers = gradient(g, { of, wrt, cotangent: g.reshape(dy, of.shape), rules });
    return inputs.map((_, i) => {
      const found = multipliers[passing.indexOf(i)];
      return found && (() => found);
    });
  };

/** What rounds passes on the whole difference; straight-through gradients (see `repaired`) are for searches, not here. */
const quantization: RescaleRule = (node) => {
  const { g, inputs, outputs, baseOutputs } = node;
  const [y, y0] = [outputs[0]!, baseOutputs[0]!].map((value) => g.cast(value, inputs[0]!.dtype)) as [Value, Value];
  return [() => uneven({ ...elementwise(node), y, y0 })];
};

const all = <T>(ops: string, rule: T): Record<string, T> => Object.fromEntries(ops.split(' ').map((op) => [op, rule]));

const table: Readonly<Record<string, RescaleRule>> = {
  ...Object.fromEntries(
    Object.entries(secants).map(([op, secant]) => [op, (node: Compared) => [() => secant(elementwise(node))]]),
  ),
  ...Object.fromEntries(Object.entries(composites).map(([op, write]) => [op, composite(write)])),
  ...all('Mul MatMul Gemm Einsum Conv ConvTranspose', product),
  ...all('MaxPool GlobalMaxPool ReduceMax', extreme(1)),
  ReduceMin: extreme(-1),
  Max: larger(1),
  Min: larger(-1),
  Div: division,
  Where: where,
  LogSoftmax: logSoftmax,
  Softmax: softmax,
  ReduceLogSumExp: reduceLogSumExp,
  QuantizeLinear: quantization,
  StopGradient: ({ dy }) => [() => dy],
};
