/** @file The backward pass of relevance: `gradient` with other rules, and an account of what was lost on the way. */
import { type GraphBuilder, gradient, type Node, type Rule, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import type { Composite } from './composites.ts';
import { findLayers, isConvolution, type Layer, type Network } from './network.ts';
import { type PerImage, perImageIn } from './per-image.ts';
import type { LrpRule } from './rules.ts';
import { throughLayer } from './through-layer.ts';
import { pass, throughNode } from './through-node.ts';

export interface Assignment {
  readonly composite: Composite;
  /** By ONNX operator type; before the composite. */
  readonly operators: Readonly<Record<string, LrpRule>>;
  /** By the value that a node computes; before everything else. */
  readonly nodes: ReadonlyMap<string, NamedRule>;
}

/** A rule that was asked for by a name. */
export interface NamedRule {
  readonly name: string;
  readonly rule: LrpRule;
}

interface Relevance {
  readonly relevance: Value;
  /** What arrived at a node less what it passed on, [N], by the first value that the node computes. */
  readonly lost: ReadonlyMap<string, Value>;
}

interface Part {
  /** Relevance of the value called `at`. */
  readonly value: Value;
  readonly at: string;
}

interface Account {
  readonly arrived: readonly Part[];
  readonly passed: Part[];
}

interface Propagation {
  /** The image, from which `root` and `wrt` depend. */
  readonly x: Value;
  /** What relevance starts from, and what it is asked for. */
  readonly root: Value;
  readonly wrt: Value;
  /** Of `root`. */
  readonly initial: Value;
  readonly assignment: Assignment;
  /** Whether what is lost is counted, which is work. */
  readonly counted: boolean;
}

/** Writes the relevance of `wrt` from that of `root`. */
export function propagate(g: GraphBuilder, { x, root, wrt, initial, assignment, counted }: Propagation): Relevance {
  const sumOf = perImageIn(g, x, [...g.graph.nodes]);
  const network = findLayers(g, x, root);
  const nonNegative = nonNegativeIn(g);
  const accounts = new Map<string, Account>();
  const unused = new Set([...assignment.nodes.values()].map(({ name }) => name));
  const audited =
    (rule: Rule): Rule =>
    (context) => {
      if (!counted) return rule(context);
      const { node, dys } = context;
      const arrived = dys.flatMap((dy, i) => (dy ? [{ value: dy, at: node.outputs[i]! }] : []));
      const account: Account = { arrived, passed: [] };
      accounts.set(node.outputs[0]!, account);
      return rule(context).map(
        (thunk, i) =>
          thunk &&
          (() => {
            const value = thunk();
            account.passed.push({ value, at: node.inputs[i]! });
            return value;
          }),
      );
    };
  const ruleAt = (node: Node): Rule | undefined => {
    const layer = network.layers.get(node);
    const named = [node, ...(layer?.after ?? [])]
      .map(({ outputs }) => assignment.nodes.get(outputs[0]!))
      .find((rule) => rule !== undefined);
    if (named !== undefined) unused.delete(named.name);
    const given = named?.rule ?? assignment.operators[node.op];
    if (layer) {
      const chosen = given ?? ruleOfLayer(assignment.composite, network, layer);
      if (chosen.rule === 'pass') return pass(node, network.dependent);
      return audited((context) => {
        const image = network.first.has(layer) ? x.name : undefined;
        const thunk = () => throughLayer(context, { layer, rule: chosen, image, nonNegative });
        return context.inputs.map((_, i) => (i === layer.input ? thunk : undefined));
      });
    }
    if (network.merged.has(node)) return pass(node, network.dependent);
    const found = throughNode(g, node, network.dependent, given ?? assignment.composite.other);
    return found && (found.lossy ? audited(found.rule) : found.rule);
  };
  const [relevance] = gradient(g, { of: root, wrt: [wrt], cotangent: initial, rules: ruleAt });
  if (unused.size > 0)
    throw new UsageError(
      `${[...unused].map((name) => `'${name}'`).join(', ')} got a rule, but no relevance passes there`,
    );
  return { relevance: relevance!, lost: lossesOf(g, accounts, sumOf) };
}

function ruleOfLayer(composite: Composite, { first, last }: Network, layer: Layer): LrpRule {
  const end = (first.has(layer) ? composite.first : undefined) ?? (last.has(layer) ? composite.last : undefined);
  return end ?? (isConvolution(layer) ? composite.convolution : composite.dense);
}

function lossesOf(g: GraphBuilder, accounts: ReadonlyMap<string, Account>, sumOf: PerImage): Map<string, Value> {
  // Whatever the result does not need was not written after all.
  const written = new Set(g.graph.nodes.flatMap(({ outputs }) => outputs));
  const losses = new Map<string, Value>();
  for (const [name, { arrived, passed }] of accounts) {
    const known = (parts: readonly Part[]) =>
      parts.flatMap(({ value, at }) => (written.has(value.name) ? (sumOf(value, at) ?? []) : []));
    const [before, after] = [known(arrived), known(passed)];
    if (before.length < arrived.length || after.length < passed.length || passed.length === 0) continue;
    losses.set(name, g.sub(g.sum(before), g.sum(after)));
  }
  return losses;
}

/** Operators whose output is never negative, and those that keep a sign. */
const NON_NEGATIVE: ReadonlySet<string> = new Set([
  'Relu',
  'Sigmoid',
  'HardSigmoid',
  'Softmax',
  'Softplus',
  'Abs',
  'Exp',
]);
const SIGN_KEEPING: ReadonlySet<string> = new Set([
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Identity',
  'Concat',
  'Slice',
  'Split',
  'Add',
]);

/** Whether a value can be seen never to be negative: rules that tell signs apart then take half the work. */
function nonNegativeIn(g: GraphBuilder): (value: Value) => boolean {
  const known = new Map<string, boolean>();
  const isNonNegative = (name: string): boolean => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const node = g.has(name) ? g.producer(g.value(name)) : undefined;
    const least = node?.op === 'Clip' && node.inputs[1] ? g.value(node.inputs[1]).constant?.data[0] : undefined;
    const result =
      node !== undefined &&
      (NON_NEGATIVE.has(node.op) ||
        (typeof least === 'number' && least >= 0) ||
        (SIGN_KEEPING.has(node.op) && signedInputs(node).every(isNonNegative)));
    known.set(name, result);
    return result;
  };
  return ({ name }) => isNonNegative(name);
}

/** Inputs that are values, not shapes, axes or lengths. */
const signedInputs = ({ op, inputs }: Node): string[] =>
  op === 'Add' || op === 'Concat' ? inputs : inputs.slice(0, 1);
