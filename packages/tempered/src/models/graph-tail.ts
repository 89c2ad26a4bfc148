/** @file What a model does to its class scores at the very end: softmax and its kin, as one node or spelled out. */
import type { GraphBuilder, Node, Value } from 'onnx-grad';
import { sizeOf } from '../tensor.ts';

/** How the output is made of the scores, and the scores. */
export interface Tail {
  readonly kind: 'logits' | 'softmax' | 'log-softmax' | 'sigmoid' | 'tanh';
  /** Value that holds the class scores before all that; the model's own output for `logits`. Its largest entry is the output's. */
  readonly logits: string;
}

interface Step {
  readonly kind: Tail['kind'];
  readonly from: string;
}

/** Walks from the output `name` of a specialised graph towards the class scores. */
export function findTail(g: GraphBuilder, name: string, classes: number): Tail {
  let tail: Tail = { kind: 'logits', logits: name };
  // What is a softmax twice is a softmax; a logarithm of it is none, but it is looked through.
  for (let at = name, step = stepBack(g, at); step !== undefined; at = step.from, step = stepBack(g, at)) {
    if (step.kind === 'logits' || sizeOf(g.value(step.from).shape) % classes !== 0) continue;
    tail = { kind: tail.kind === 'logits' ? step.kind : tail.kind, logits: step.from };
  }
  return tail;
}

/** Nodes that keep the order of the scores; a step over one of them leaves the kind open. */
const PASSED_ON = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Clip', 'Log']);
const HEADS: Readonly<Record<string, Tail['kind']>> = {
  Softmax: 'softmax',
  LogSoftmax: 'log-softmax',
  Sigmoid: 'sigmoid',
  HardSigmoid: 'sigmoid',
  Tanh: 'tanh',
};

function stepBack(g: GraphBuilder, name: string): Step | undefined {
  const node = producerOf(g, name);
  if (node === undefined) return undefined;
  const head = HEADS[node.op];
  if (head !== undefined) return { kind: head, from: node.inputs[0]! };
  const spelled = spelledSoftmax(g, node) ?? spelledLogSoftmax(g, node) ?? spelledSigmoid(g, node);
  if (spelled !== undefined) return spelled;
  if (PASSED_ON.has(node.op)) return { kind: 'logits', from: node.inputs[0]! };
  return scaled(g, node);
}

/** A positive factor or a summand that is one number. */
function scaled(g: GraphBuilder, { op, inputs }: Node): Step | undefined {
  const [a, b] = inputs as [string, string];
  const number = (name: string) => {
    const { constant } = g.value(name);
    return constant !== undefined && constant.data.length === 1 ? Number(constant.data[0]) : undefined;
  };
  if (op === 'Mul' && number(a) !== undefined && number(a)! > 0) return { kind: 'logits', from: b };
  if ((op === 'Mul' || op === 'Div') && number(b) !== undefined && number(b)! > 0) return { kind: 'logits', from: a };
  if (op === 'Add' && number(a) !== undefined) return { kind: 'logits', from: b };
  if ((op === 'Add' || op === 'Sub') && number(b) !== undefined) return { kind: 'logits', from: a };
  return undefined;
}

/** exp(z) / Σ exp(z), with or without the largest score taken off, and exp of a log-softmax. */
function spelledSoftmax(g: GraphBuilder, node: Node): Step | undefined {
  if (node.op === 'Exp') {
    const inner = producerOf(g, node.inputs[0]!);
    const from = inner?.op === 'LogSoftmax' ? inner.inputs[0]! : inner && spelledLogSoftmax(g, inner)?.from;
    return from === undefined ? undefined : { kind: 'softmax', from };
  }
  const [exponential, total] = quotient(g, node) ?? [];
  if (exponential === undefined || total === undefined) return undefined;
  const exp = producerOf(g, exponential);
  const sum = producerOf(g, unshaped(g, total));
  if (exp?.op !== 'Exp' || sum?.op !== 'ReduceSum' || sum.inputs[0] !== exponential) return undefined;
  return { kind: 'softmax', from: withoutShift(g, exp.inputs[0]!) };
}

/** z − log Σ exp(z). */
function spelledLogSoftmax(g: GraphBuilder, { op, inputs }: Node): Step | undefined {
  if (op !== 'Sub') return undefined;
  const [scores, subtracted] = inputs as [string, string];
  const log = producerOf(g, unshaped(g, subtracted));
  const isLogSumExp =
    log?.op === 'ReduceLogSumExp'
      ? log.inputs[0] === scores
      : log?.op === 'Log' && isSumOfExponentials(g, unshaped(g, log.inputs[0]!), scores);
  return isLogSumExp ? { kind: 'log-softmax', from: withoutShift(g, scores) } : undefined;
}

function isSumOfExponentials(g: GraphBuilder, name: string, scores: string): boolean {
  const sum = producerOf(g, name);
  const exp = sum?.op === 'ReduceSum' ? producerOf(g, sum.inputs[0]!) : undefined;
  return exp?.op === 'Exp' && exp.inputs[0] === scores;
}

/** 1 / (1 + exp(−z)). */
function spelledSigmoid(g: GraphBuilder, node: Node): Step | undefined {
  const denominator =
    node.op === 'Reciprocal'
      ? node.inputs[0]
      : node.op === 'Div' && isOne(g.value(node.inputs[0]!))
        ? node.inputs[1]
        : undefined;
  const sum = denominator === undefined ? undefined : producerOf(g, denominator);
  if (sum?.op !== 'Add' || !sum.inputs.some((name) => isOne(g.value(name)))) return undefined;
  const exp = sum.inputs.map((name) => producerOf(g, name)).find((inner) => inner?.op === 'Exp');
  const neg = exp && producerOf(g, exp.inputs[0]!);
  return neg?.op === 'Neg' ? { kind: 'sigmoid', from: neg.inputs[0]! } : undefined;
}

const isOne = ({ constant }: Value): boolean => constant?.data.length === 1 && Number(constant.data[0]) === 1;

/** Numerator and denominator of a / b or a · (1 / b). */
function quotient(g: GraphBuilder, { op, inputs }: Node): [string, string] | undefined {
  if (op === 'Div') return [inputs[0]!, inputs[1]!];
  if (op !== 'Mul') return undefined;
  for (const [a, b] of [inputs, inputs.toReversed()] as [string, string][]) {
    const reciprocal = producerOf(g, b);
    if (reciprocal?.op === 'Reciprocal') return [a, reciprocal.inputs[0]!];
  }
  return undefined;
}

/** z of z − max z. */
function withoutShift(g: GraphBuilder, name: string): string {
  const node = producerOf(g, name);
  if (node?.op !== 'Sub') return name;
  const largest = producerOf(g, unshaped(g, node.inputs[1]!));
  return largest?.op === 'ReduceMax' && largest.inputs[0] === node.inputs[0] ? node.inputs[0]! : name;
}

/** Looks through what only spreads or reshapes a value, and through a constant that keeps a sum above 0. */
function unshaped(g: GraphBuilder, name: string): string {
  const node = producerOf(g, name);
  if (node === undefined) return name;
  if (['Expand', 'Reshape', 'Unsqueeze', 'Squeeze'].includes(node.op)) return unshaped(g, node.inputs[0]!);
  if (node.op === 'Add' && g.value(node.inputs[1]!).constant !== undefined) return unshaped(g, node.inputs[0]!);
  return name;
}

const producerOf = (g: GraphBuilder, name: string): Node | undefined => g.producer(g.value(name));
