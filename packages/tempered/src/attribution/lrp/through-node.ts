/** @file Relevance through nodes that are no layers with weights. */
import { derivativeAt, type GraphBuilder, type Node, type Rule, type RuleContext, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { isAffine } from './network.ts';
import type { LrpRule } from './rules.ts';
import { stabilise } from './stabilise.ts';

/** Relevance passes these unchanged. */
const ACTIVATIONS: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Elu',
  'Selu',
  'Celu',
  'ThresholdedRelu',
  'Softplus',
  'Softsign',
  'Mish',
  'HardSwish',
  'Sigmoid',
  'HardSigmoid',
  'Tanh',
  'Erf',
  'Clip',
  'Shrink',
  'Neg',
]);

/**
 * Every output is a copy of one input element, which gets all its relevance: that is what the derivative does. Of a
 * maximum, the winner gets it.
 */
const COPIES: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Dropout',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Concat',
  'Split',
  'Expand',
  'Tile',
  'Slice',
  'Gather',
  'GatherElements',
  'GatherND',
  'Pad',
  'DepthToSpace',
  'SpaceToDepth',
  'MaxPool',
  'GlobalMaxPool',
  'ReduceMax',
  'ReduceMin',
  'Max',
  'Min',
  'Where',
  'TopK',
]);

/** Between fixed bounds: in a product, these are gates. */
const BOUNDED: ReadonlySet<string> = new Set(['Sigmoid', 'HardSigmoid', 'Softmax', 'Tanh', 'Erf', 'Clip']);

/** What gates are moved, shifted and scaled by. */
const REARRANGEMENTS: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Dropout',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Expand',
]);

interface NodeRule {
  readonly rule: Rule;
  /** Whether relevance can get lost, so that it is worth counting. */
  readonly lossy: boolean;
}

/** The rule of a node that is no layer; undefined where that is its derivative. `rule` is the composite's for sums. */
export function throughNode(
  g: GraphBuilder,
  node: Node,
  dependent: ReadonlySet<string>,
  rule: LrpRule,
): NodeRule | undefined {
  if (COPIES.has(node.op))
    return hasConstants(node, dependent) ? { rule: derivativeAt(node)!, lossy: true } : undefined;
  if (ACTIVATIONS.has(node.op)) return { rule: pass(node, dependent), lossy: false };
  const [first, second] = node.inputs.map((name) => dependent.has(name));
  // Whatever the denominator is, it is taken as given.
  if (node.op === 'Div' && first) return { rule: passTo(0), lossy: false };
  if (node.op === 'Mul' && first !== second) return { rule: pass(node, dependent), lossy: false };
  if ((node.op === 'Mul' || node.op === 'MatMul') && first && second) return product(g, node, dependent, rule);
  if (isAffine(g, node, dependent) && conserves(rule)) return { rule: pass(node, dependent), lossy: false };
  if (node.op === 'LayerNormalization' || node.op === 'InstanceNormalization')
    return { rule: normalisation(stabiliserOf(rule, node)), lossy: true };
  return { rule: rule.rule === 'pass' ? pass(node, dependent) : inProportion(stabiliserOf(rule, node)), lossy: true };
}

/** Whether a node also copies constants, such as the class token of a transformer, or zeros of padding: what they get is lost. */
function hasConstants({ op, inputs }: Node, dependent: ReadonlySet<string>): boolean {
  if (op === 'Pad') return true;
  const copied = op === 'Concat' || op === 'Max' || op === 'Min' ? inputs : op === 'Where' ? inputs.slice(1) : [];
  return copied.some((name) => !dependent.has(name));
}

const conserves = (rule: LrpRule): boolean => rule.rule === 'pass' || ('bias' in rule && rule.bias === 'ignored');

function stabiliserOf(rule: LrpRule, node: Node) {
  if (rule.rule === 'epsilon') return rule.stabiliser;
  throw new UsageError(
    `the ${rule.rule} rule is for layers with weights; ${node.op} '${node.name}' can have the 0, epsilon or pass rule`,
  );
}

/** All relevance to the one input that depends on the image. */
export function pass({ op, name, inputs }: Node, dependent: ReadonlySet<string>): Rule {
  const variable = inputs.flatMap((input, i) => (dependent.has(input) ? [i] : []));
  if (variable.length !== 1)
    throw new UsageError(`relevance cannot pass ${op} '${name}': it has ${variable.length} inputs to pass it to`);
  return passTo(variable[0]!);
}

const passTo =
  (at: number): Rule =>
  ({ g, node, inputs, dy }) => {
    const { shape } = inputs[at]!;
    const thunk = () => {
      const extra = dy.shape.length - shape.length;
      const fits = extra >= 0 && shape.every((length, axis) => length === 1 || length === dy.shape[axis + extra]);
      if (!fits)
        throw new UsageError(`relevance cannot pass ${node.op} '${node.name}': its input and output differ in shape`);
      return g.sumTo(dy, shape);
    };
    return inputs.map((_, i) => (i === at ? thunk : undefined));
  };

/**
 * Relevance in proportion to input ⊙ derivative: the ε rule of linear nodes. At others, which have no rule of their own,
 * it is gradient × input of that node, and what its curvature takes is lost.
 */
const inProportion =
  (stabiliser: Parameters<typeof stabilise>[2], factor = 1): Rule =>
  (context) => {
    const { g, inputs } = context;
    const thunks = derivativeOf(context)(
      context.dys.map((dy, i) => dy && g.scale(g.div(dy, stabilise(g, context.outputs[i]!, stabiliser)), factor)),
    );
    return thunks.map((thunk, i) => thunk && (() => g.mul(inputs[i]!, thunk())));
  };

const derivativeOf =
  (context: RuleContext) =>
  (dys: readonly (Value | undefined)[]): ReturnType<Rule> => {
    const derivative = derivativeAt(context.node);
    if (derivative === undefined)
      throw new UsageError(`relevance cannot pass ${context.node.op} '${context.node.name}': it has no derivative`);
    return derivative({ ...context, dy: dys[0] ?? context.g.zerosLike(context.outputs[0]!), dys });
  };

/**
 * A product of two values of the image. The gate (bounded, as by a sigmoid or softmax) is taken as given, and the other
 * factor gets all relevance (Arras et al. 2017 for gates, Ali et al. 2022 for attention); where no factor is a gate, or
 * both are, each gets half (Achtibat et al. 2024, for the product of queries and keys).
 */
function product(g: GraphBuilder, node: Node, dependent: ReadonlySet<string>, rule: LrpRule): NodeRule {
  const [a, b] = node.inputs.map((name) => isGate(g, name, dependent));
  const stabiliser = rule.rule === 'epsilon' ? rule.stabiliser : { epsilon: 1e-6 };
  if (a === b) return { rule: inProportion(stabiliser, 0.5), lossy: true };
  const signal = a ? 1 : 0;
  const { shape } = g.value(node.inputs[signal]!);
  if (node.op === 'Mul' && shape.join() === g.value(node.outputs[0]!).shape.join())
    return { rule: passTo(signal), lossy: false };
  const proportional = inProportion(stabiliser);
  return {
    rule: (context) => proportional(context).map((thunk, i) => (i === signal ? thunk : undefined)),
    lossy: true,
  };
}

/** Whether a value is a bounded function, moved, shifted or scaled. */
function isGate(g: GraphBuilder, name: string, dependent: ReadonlySet<string>): boolean {
  const node = g.producer(g.value(name));
  if (node === undefined) return false;
  if (BOUNDED.has(node.op)) return true;
  if (!REARRANGEMENTS.has(node.op) && !isAffine(g, node, dependent)) return false;
  return isGate(g, node.inputs.find((input) => dependent.has(input)) ?? '', dependent);
}

/** Layer and instance normalisation with the deviation taken as given: a linear map. Ali et al. 2022, §4.2. */
const normalisation =
  (stabiliser: Parameters<typeof stabilise>[2]): Rule =>
  ({ g, node, attributes, inputs, outputs, dy }) => {
    const [x, scale] = inputs as [Value, Value];
    const rank = x.shape.length;
    const start =
      node.op === 'InstanceNormalization' ? 2 : attributes.axis < 0 ? attributes.axis + rank : attributes.axis;
    const axes = x.shape.flatMap((_, axis) => (axis < start ? [] : [axis]));
    const factor = node.op === 'InstanceNormalization' ? g.reshape(scale, [-1, ...axes.map(() => 1)]) : scale;
    return [
      () => {
        const centred = g.sub(x, g.reduceMean(x, axes, true));
        const variance = g.reduceMean(g.square(centred), axes, true);
        const deviation = g.sqrt(g.offset(variance, attributes.epsilon));
        const shared = g.div(dy, stabilise(g, outputs[0]!, stabiliser));
        const slope = g.div(g.mul(shared, factor), deviation);
        return g.mul(x, g.sub(slope, g.reduceMean(slope, axes, true)));
      },
    ];
  };
