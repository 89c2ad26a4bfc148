/**
 * @file A network as relevance propagation sees it: layers with weights, each with the normalisation around it merged
 * into its weights and bias. The graph stays as it is (so do logits, and the names of layers): merging is a matter of
 * what a layer's weights are taken to be, and relevance passes the merged nodes unchanged.
 */
import { type GraphBuilder, isFloat, type Node, sizeOf, type Value } from 'onnx-grad';
import { outsideProgram } from '../../models/namespace.ts';

/** A linear map of one input by weights that do not depend on the image. */
export interface Layer {
  readonly node: Node;
  /** Which of the node's inputs is the layer's, and which its weights. */
  readonly input: number;
  readonly weight: number;
  /** The node's own bias and what follows it: affine for each channel. In order. */
  readonly after: readonly Node[];
  /** What the layer computes, with everything merged. */
  readonly output: string;
  /** The input is an affine function of this value, by normalisation or padding before the layer. */
  readonly origin?: string;
}

export interface Network {
  readonly layers: ReadonlyMap<Node, Layer>;
  /** Affine nodes that belong to a layer. */
  readonly merged: ReadonlySet<Node>;
  /** Layers that no other layer comes before, or after. */
  readonly first: ReadonlySet<Layer>;
  readonly last: ReadonlySet<Layer>;
  /** Names of the values that depend on the image. */
  readonly dependent: ReadonlySet<string>;
}

const CONVOLUTIONS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose']);
export const isConvolution = ({ node }: Layer): boolean => CONVOLUTIONS.has(node.op);

/** Operators that only move elements, or put zeros around them. */
const MOVEMENTS: ReadonlySet<string> = new Set([
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Slice',
  'Concat',
  'Gather',
  'Identity',
  'Pad',
]);

/** Finds the layers between `x` and `root`, and what can be merged into them. */
export function findLayers(g: GraphBuilder, x: Value, root: Value): Network {
  const nodes = leadingTo(g.graph.nodes, root);
  const dependent = dependentOn(g, x);
  const surroundings = { users: usersOf(nodes), dependent, varying: varyingIn(g, x) };
  const layers = new Map<Node, Layer>();
  const merged = new Set<Node>();
  for (const node of nodes) {
    const operands = operandsOf(g, node, dependent);
    if (operands === undefined || surroundings.varying.has(node.inputs[operands.weight]!)) continue;
    const after = mergeableAfter(g, node, operands.weight, root, surroundings);
    for (const next of after) merged.add(next);
    layers.set(node, { node, ...operands, after, output: (after.at(-1) ?? node).outputs[0]! });
  }
  for (const [node, origin] of originsOf(g, x, nodes, { layers, merged, ...surroundings })) {
    layers.set(node, { ...layers.get(node)!, origin });
  }
  return { layers, merged, dependent, ...ends(nodes, layers) };
}

function leadingTo(nodes: readonly Node[], root: Value): Node[] {
  const names = new Set([root.name]);
  return [...nodes]
    .reverse()
    .filter(({ inputs, outputs }) => {
      const leads = outputs.some((name) => names.has(name));
      if (leads) for (const name of inputs) names.add(name);
      return leads;
    })
    .reverse();
}

/** Values that depend on x, not counting masks and indices. */
function dependentOn(g: GraphBuilder, x: Value): Set<string> {
  const dependent = new Set([x.name]);
  for (const { op, inputs, outputs } of g.graph.nodes) {
    if (op === 'StopGradient' || !inputs.some((name) => dependent.has(name))) continue;
    for (const name of outputs) if (name !== '' && isFloat(g.value(name).dtype)) dependent.add(name);
  }
  return dependent;
}

/** Values that differ from run to run: of images, even masks and indices, and of noise. What is merged must not. */
function varyingIn(g: GraphBuilder, x: Value): Set<string> {
  const fed = g.graph.inputs.map(({ name }) => name).filter((name) => outsideProgram(name) === name);
  const varying = new Set([x.name, ...fed]);
  for (const { inputs, outputs } of g.graph.nodes)
    if (inputs.some((name) => varying.has(name))) for (const name of outputs) varying.add(name);
  varying.delete('');
  return varying;
}

function usersOf(nodes: readonly Node[]): Map<string, Node[]> {
  const users = new Map<string, Node[]>();
  for (const node of nodes) for (const name of node.inputs) users.set(name, [...(users.get(name) ?? []), node]);
  return users;
}

/** Input and weights, of a node that is a layer. */
function operandsOf(
  g: GraphBuilder,
  node: Node,
  dependent: ReadonlySet<string>,
): { input: number; weight: number } | undefined {
  const [a, b, c] = node.inputs.map((name) => dependent.has(name));
  if (CONVOLUTIONS.has(node.op)) return a && !b && !c ? { input: 0, weight: 1 } : undefined;
  if (node.op === 'Gemm') return a && !b && !c && !node.attributes.transA?.value ? { input: 0, weight: 1 } : undefined;
  if (node.op !== 'MatMul' || a === b) return undefined;
  const [left, right] = node.inputs.map((name) => g.value(name).shape.length);
  return a && right! >= 2 ? { input: 0, weight: 1 } : b && left! >= 2 ? { input: 1, weight: 0 } : undefined;
}

interface Surroundings {
  users: ReadonlyMap<string, readonly Node[]>;
  dependent: ReadonlySet<string>;
  varying: ReadonlySet<string>;
}

/** Nodes after a layer that are affine for each of its channels, as long as nothing else reads what is between. */
function mergeableAfter(
  g: GraphBuilder,
  node: Node,
  weight: number,
  root: Value,
  { users, dependent, varying }: Surroundings,
): Node[] {
  // Channels of a product by weights from the left are rows; groups of a transposed convolution share channels of weights.
  if (weight === 0 || (node.op === 'ConvTranspose' && (node.attributes.group?.value ?? 1) !== 1)) return [];
  const after: Node[] = [];
  for (let name = node.outputs[0]!; name !== root.name; ) {
    const [next, ...others] = users.get(name) ?? [];
    if (next === undefined || others.length > 0 || !isAffine(g, next, dependent)) break;
    const { shape } = g.value(name);
    const axis = channelAxis(node, shape);
    const constants = next.op === 'BatchNormalization' ? [] : next.inputs.filter((input) => !dependent.has(input));
    if (next.op === 'BatchNormalization' && axis !== 1) break;
    if (constants.some((input) => varying.has(input))) break;
    if (!constants.every((input) => isAlong(g.value(input).shape, shape.length, axis))) break;
    after.push(next);
    name = next.outputs[0]!;
  }
  return after;
}

/** The axis of a layer's output that its weights' channels lie along. */
export const channelAxis = (node: Node, shape: readonly number[]): number =>
  CONVOLUTIONS.has(node.op) ? 1 : shape.length - 1;

/** Whether a shape, broadcast to `rank` axes, extends along one axis alone. */
const isAlong = (shape: readonly number[], rank: number, axis: number): boolean =>
  shape.length <= rank && shape.every((length, i) => length === 1 || i + rank - shape.length === axis);

/** Whether a node is x ↦ factor · x + offset, element by element, for its one input that depends on the image. */
export function isAffine(g: GraphBuilder, { op, inputs, outputs }: Node, dependent: ReadonlySet<string>): boolean {
  const variable = inputs.filter((name) => dependent.has(name));
  if (variable.length !== 1 || outputs.length !== 1) return false;
  const known =
    ['Add', 'Sub', 'Mul', 'Neg', 'Identity'].includes(op) ||
    (['Div', 'BatchNormalization'].includes(op) && variable[0] === inputs[0]);
  return known && sizeOf(g.value(variable[0]!).shape) === sizeOf(g.value(outputs[0]!).shape);
}

/**
 * Layers whose input is an affine function of an earlier value, with that value: preprocessing and padding of the image,
 * or whatever is affine straight before a layer. Only where every reader of the normalised values is a layer.
 */
function originsOf(
  g: GraphBuilder,
  x: Value,
  nodes: readonly Node[],
  { layers, merged, dependent, users, varying }: Surroundings & { layers: ReadonlyMap<Node, Layer>; merged: Set<Node> },
): Map<Node, string> {
  const origins = new Map([[x.name, x.name]]);
  /** Names of values that are more than their origin moved about: they hold zeros of padding, too, or other numbers. */
  const normalised = new Set<string>();
  const affine = new Map<string, Node[]>();
  for (const node of nodes) {
    if (merged.has(node) || layers.has(node)) continue;
    const variable = node.inputs.filter((name) => dependent.has(name));
    const fixed = node.inputs.every((name) => dependent.has(name) || !varying.has(name));
    const isNormalising = fixed && node.op !== 'Identity' && isAffine(g, node, dependent);
    if (isNormalising && !origins.has(variable[0]!)) origins.set(variable[0]!, variable[0]!);
    const origin = origins.get(variable[0] ?? '');
    if (origin === undefined || variable.some((name) => origins.get(name) !== origin)) continue;
    const [output] = node.outputs;
    const batch = g.value(origin).shape[0];
    const moves = fixed && MOVEMENTS.has(node.op) && g.value(output!).shape[0] === batch && node.outputs.length === 1;
    if (!isNormalising && !moves) continue;
    origins.set(output!, origin);
    if (isNormalising) affine.set(origin, [...(affine.get(origin) ?? []), node]);
    if (isNormalising || node.op === 'Pad' || variable.some((name) => normalised.has(name))) normalised.add(output!);
  }
  const spoilt = new Set(
    [...normalised].flatMap((name) => {
      const readers = users.get(name) ?? [];
      const fits = readers.every((node) => layers.has(node) || origins.has(node.outputs[0]!));
      return fits && readers.length > 0 ? [] : [origins.get(name)!];
    }),
  );
  const found = new Map<Node, string>();
  for (const [node, { input }] of layers) {
    const name = node.inputs[input]!;
    const origin = origins.get(name);
    if (origin !== undefined && normalised.has(name) && !spoilt.has(origin)) found.set(node, origin);
  }
  for (const origin of new Set(found.values())) for (const node of affine.get(origin) ?? []) merged.add(node);
  return found;
}

function ends(
  nodes: readonly Node[],
  layers: ReadonlyMap<Node, Layer>,
): { first: ReadonlySet<Layer>; last: ReadonlySet<Layer> } {
  const behind = new Set<string>();
  const first = new Set<Layer>();
  for (const node of nodes) {
    const layer = layers.get(node);
    if (layer && !behind.has(node.inputs[layer.input]!)) first.add(layer);
    if (layer || node.inputs.some((name) => behind.has(name))) for (const name of node.outputs) behind.add(name);
  }
  const before = new Set<string>();
  const last = new Set<Layer>();
  for (const node of [...nodes].reverse()) {
    const layer = layers.get(node);
    const leads = node.outputs.some((name) => before.has(name));
    if (layer && !leads) last.add(layer);
    if (layer || leads) for (const name of node.inputs) before.add(name);
  }
  return { first, last };
}
