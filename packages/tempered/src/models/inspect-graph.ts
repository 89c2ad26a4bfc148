/** @file What is in a model's graph that misleads gradients: found by structure, before any image is seen. */
import { copyGraph, describeNode, type Graph, GraphBuilder, isFloat, type Node, specialize } from 'onnx-grad';
import { fixedBatch } from './batching.ts';
import type { ModelDescription } from './classifier.ts';
import { findTail, type Tail } from './graph-tail.ts';
import { isRandom } from './noise.ts';
import type { Detour } from './repair.ts';

/** A node that misleads gradients, as messages name it ("Round node 'round1'"). */
export interface SuspectNode {
  readonly node: string;
  readonly op: string;
}

/** A node that passes no gradient on, although the logits depend on it. */
export interface GradientCut extends SuspectNode {
  /** The way round it; undefined where what comes out has another shape than what goes in. */
  readonly detour: Detour | undefined;
}

/** A node that oscillates or repeats: its gradient says nothing about the next period. */
export interface Oscillation extends SuspectNode {
  readonly detour: Detour;
  /** Whether the logits still depend on the input without it: only then it can be left out of the gradient. */
  readonly isBypassed: boolean;
}

export interface ClippedValue extends SuspectNode {
  /** What is clipped. */
  readonly value: string;
  /** null where there is no bound, or it is not a constant. */
  readonly low: number | null;
  readonly high: number | null;
  readonly detour: Detour;
}

/** What `inspectGraph` finds; only nodes between the input and the logits count. */
export interface GraphInspection {
  readonly tail: Tail;
  /** Whether any gradient of the logits reaches the input. */
  readonly hasGradient: boolean;
  readonly cuts: readonly GradientCut[];
  readonly oscillations: readonly Oscillation[];
  readonly clips: readonly ClippedValue[];
  /** Nodes that draw random numbers: noise layers, Dropout in training mode. */
  readonly random: readonly SuspectNode[];
  /** BatchNormalization in training mode: what an image is predicted to be depends on the other images of its batch. */
  readonly batchStatistics: readonly SuspectNode[];
  /** Quantisation, whose gradient is taken straight through already. */
  readonly quantized: readonly SuspectNode[];
  /** Whether the input is centred or scaled by constants before anything else is done with it. */
  readonly isNormalized: boolean;
}

/** What every gradient stops at. Comparisons cut it only where nothing else passes it on: a mask is no mask of gradients. */
const ROUNDING = new Set([
  'Round',
  'Floor',
  'Ceil',
  'Sign',
  'Cast',
  'ArgMax',
  'ArgMin',
  'OneHot',
  'TopK',
  'StopGradient',
]);
const COMPARISONS = new Set([
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Xor',
  'Not',
  'IsNaN',
  'IsInf',
]);
const OSCILLATING = new Set(['Sin', 'Cos', 'Tan', 'Mod']);
const NORMALIZING = new Set(['Sub', 'Add', 'Div', 'Mul', 'BatchNormalization']);

/**
 * Looks through a model for what misleads gradient attacks: rounding and other nodes without a gradient, oscillation,
 * noise, a softmax or sigmoid at the end (also spelled out), batch statistics. Functions are looked into.
 *
 * @throws what `specialize` throws for a graph that is not supported
 * @example
 * inspectGraph(model).cuts.map(({ node }) => node); // ["Round node 'round1'"]
 */
export function inspectGraph(model: ModelDescription): GraphInspection {
  const shape = [fixedBatch(model) ?? 1, ...model.inputShape];
  const graph = specialize(model.graph, { [model.input]: shape });
  const g = new GraphBuilder(copyGraph(graph));
  const reached = nodesTowards(graph, model.logits);
  const dependent = reachable(reached, [model.input], (node) => node.outputs);
  const found = findCuts(g, reached, model);
  const active = reached.filter((node) => node.inputs.some((name) => found.live.has(name)));
  const suspects = (nodes: readonly Node[]): SuspectNode[] =>
    nodes.map((node) => ({ node: describeNode(node), op: node.op }));
  return {
    tail: findTail(g, model.logits, model.classes.length),
    hasGradient: liveValues(g, reached, [model.input]).has(model.logits),
    cuts: found.cuts,
    oscillations: active
      .filter(({ op }) => OSCILLATING.has(op))
      .map((node) => ({
        node: describeNode(node),
        op: node.op,
        detour: { to: node.outputs[0]! },
        isBypassed: liveValues(g, reached, found.seeds, node).has(model.logits),
      })),
    clips: active.filter(({ op }) => op === 'Clip').map((node) => clipped(g, node)),
    random: suspects(reached.filter(isRandom)).map((suspect) => asInFile(suspect, model.graph)),
    batchStatistics: suspects(
      active.filter(({ op, attributes }) => op === 'BatchNormalization' && attributes.training_mode?.value === 1),
    ),
    quantized: suspects(active.filter(({ op }) => op === 'QuantizeLinear')),
    isNormalized: isNormalized(g, reached, dependent, model.input),
  };
}

/**
 * The cuts one after the other: what comes behind one counts as if it had a gradient, so that the next is found too.
 * Comparisons are looked at when nothing else is left that could pass a gradient on.
 */
function findCuts(g: GraphBuilder, nodes: readonly Node[], { input, logits }: ModelDescription) {
  const cuts = new Map<Node, GradientCut>();
  const seeds = [input];
  for (;;) {
    const live = liveValues(g, nodes, seeds);
    const blocked = nodes.filter(
      (node) =>
        !cuts.has(node) &&
        node.inputs.some((name) => live.has(name)) &&
        node.outputs.every((name) => name === '' || !live.has(name)),
    );
    const rounding = blocked.filter(({ op }) => ROUNDING.has(op));
    const comparing = live.has(logits) ? [] : blocked.filter(({ op }) => COMPARISONS.has(op));
    const next = rounding.length > 0 ? rounding : comparing;
    if (next.length === 0) return { cuts: [...cuts.values()], seeds, live };
    for (const node of next) {
      const detour = detourAround(g, node, nodes, live);
      cuts.set(node, { node: describeNode(node), op: node.op, detour });
      if (detour) seeds.push(detour.to);
    }
  }
}

/** The nodes that a value is computed from, in graph order. */
function nodesTowards({ nodes }: Graph, value: string): Node[] {
  const needed = new Set([value]);
  const found: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    found.push(node);
    for (const name of node.inputs) needed.add(name);
  }
  return found.reverse();
}

/** All values that nodes make of the given ones, and the given ones. */
function reachable(nodes: readonly Node[], from: readonly string[], outputs: (node: Node) => string[]): Set<string> {
  const found = new Set(from);
  for (const node of nodes) {
    if (!node.inputs.some((name) => found.has(name))) continue;
    for (const name of outputs(node)) if (name !== '') found.add(name);
  }
  return found;
}

/** The values that have a gradient by some of `seeds`. Quantised integers have one too, taken straight through. */
function liveValues(g: GraphBuilder, nodes: readonly Node[], seeds: readonly string[], without?: Node): Set<string> {
  const live = new Set(seeds);
  for (const node of nodes) {
    const inputs = node.op === 'Where' ? node.inputs.slice(1) : node.inputs;
    const carriers = inputs.filter((name) => live.has(name));
    if (node === without || carriers.length === 0) continue;
    if (COMPARISONS.has(node.op) || (ROUNDING.has(node.op) && node.op !== 'Cast' && node.op !== 'TopK')) continue;
    if (node.op === 'Cast' && !carriers.some((name) => isFloat(g.value(name).dtype))) continue;
    const isQuantized = node.op === 'QuantizeLinear' || carriers.some((name) => !isFloat(g.value(name).dtype));
    for (const name of node.outputs) if (name !== '' && (isFloat(g.value(name).dtype) || isQuantized)) live.add(name);
  }
  return live;
}

/** From the value that goes in to the first float of the same shape that comes out, be it after integers in between. */
function detourAround(g: GraphBuilder, cut: Node, nodes: readonly Node[], live: ReadonlySet<string>) {
  const from = cut.inputs.find((name) => live.has(name))!;
  const shape = g.value(from).shape.join();
  const after = new Set(cut.outputs);
  for (const node of [cut, ...nodes]) {
    if (node !== cut && !node.inputs.some((name) => after.has(name))) continue;
    for (const name of node.outputs) {
      if (name === '') continue;
      const value = g.value(name);
      if (isFloat(value.dtype) && !live.has(name)) return value.shape.join() === shape ? { from, to: name } : undefined;
      if (!isFloat(value.dtype)) after.add(name);
    }
  }
  return undefined;
}

function clipped(g: GraphBuilder, node: Node): ClippedValue {
  const bound = (i: number): number | null => {
    const constant = node.inputs[i] ? g.value(node.inputs[i]).constant : undefined;
    return constant === undefined ? null : Number(constant.data[0]);
  };
  const value = node.inputs[0]!;
  return {
    node: describeNode(node),
    op: node.op,
    value,
    low: bound(1),
    high: bound(2),
    detour: { from: value, to: node.outputs[0]! },
  };
}

/** Dropout is written with RandomUniform when a graph is specialised: the file's own node says more. */
function asInFile(suspect: SuspectNode, { nodes }: Graph): SuspectNode {
  const original = nodes.find(
    ({ name, outputs, op }) => op === 'Dropout' && suspect.node.includes(`'${name || outputs[0]}/`),
  );
  return original ? { node: `${describeNode(original)} in training mode`, op: 'Dropout' } : suspect;
}

/** Whether everything that reads the input centres or scales it by numbers of the model. */
function isNormalized(g: GraphBuilder, nodes: readonly Node[], dependent: ReadonlySet<string>, input: string): boolean {
  const readers = nodes.filter((node) => node.inputs.includes(input));
  return (
    readers.length > 0 &&
    readers.every(
      (node) =>
        NORMALIZING.has(node.op) &&
        node.inputs.every((name) => name === input || (!dependent.has(name) && g.value(name).constant !== undefined)),
    )
  );
}
