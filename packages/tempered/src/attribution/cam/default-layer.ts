/** @file The layer that class activation maps weigh unless told another: the last feature map that still has space. */
import { copyGraph, GraphBuilder, type Node, specialize, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { fixedBatch } from '../../models/batching.ts';
import type { ModelDescription } from '../../models/classifier.ts';

/** Looking a model through takes as long as compiling it begins with; its answer never changes. */
const known = new WeakMap<ModelDescription, Map<string, string>>();

/**
 * The last feature map [N, C, H, W] before the head takes its space away, by pooling over all of it, by flattening it,
 * or by a convolution or pooling to one position: what the nodes that do so read. Of several, the last in the file; where
 * branches of one map end at once, that map.
 *
 * @param explained the value of the file that is explained: the logits, or the layer of a unit, which may be a feature
 * map itself
 * @returns its name in the ONNX file
 * @throws UsageError for a network without one: of dense layers alone, or of tokens
 */
export function lastFeatureMap(model: ModelDescription, explained = model.logits): string {
  const ofModel = known.get(model) ?? new Map<string, string>();
  const found = ofModel.get(explained) ?? findFeatureMap(model, explained);
  known.set(model, ofModel.set(explained, found));
  return found;
}

function findFeatureMap(model: ModelDescription, explained: string): string {
  const shape = [fixedBatch(model) ?? 1, ...model.inputShape];
  const g = new GraphBuilder(copyGraph(specialize(model.graph, { [model.input]: shape })));
  const dependent = valuesFrom(g, ({ inputs }) => inputs.includes(model.input));
  const convolved = valuesFrom(g, ({ op }) => op === 'Conv' || op === 'ConvTranspose');
  const own = g.value(explained);
  if (convolved.has(explained) && own.shape.length === 4 && hasSpace(own) && isChannelsFirst(g, own)) return explained;
  const found = new Set<string>();
  const seen = new Set([explained]);
  const waiting = [explained];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const value = g.value(at);
    const node = g.producer(value);
    for (const name of node?.inputs ?? []) {
      if (!dependent.has(name) || seen.has(name)) continue;
      const input = g.value(name);
      if (convolved.has(name) && isFeatureMap(g, input, node!)) found.add(name);
      else if (!hasSpace(input) || keepsPositions(node!, input, value) || collapses(node!, input, value)) {
        seen.add(name);
        waiting.push(name);
      }
    }
  }
  const layer = chosen(
    g,
    g.graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => found.has(name)),
  );
  if (layer === undefined)
    throw new UsageError(
      `'${model.name}' has no last feature map [N, channels, height, width] that ${explained === model.logits ? 'its scores are' : `'${explained}' is`} computed from, as convolutional networks have: name the layer whose channels are to be weighed`,
    );
  return layer;
}

/** The last of several in graph order; of those of its size the first, where the others are computed from it. */
function chosen(g: GraphBuilder, found: readonly string[]): string | undefined {
  const last = found.at(-1);
  if (last === undefined) return undefined;
  const sizeOf = (name: string) => g.value(name).shape.slice(2).join();
  const [first, ...others] = found.filter((name) => sizeOf(name) === sizeOf(last));
  const below = valuesFrom(g, ({ inputs }) => inputs.includes(first!));
  return others.every((name) => below.has(name)) ? first : last;
}

/** What the nodes that `starts` accepts compute, and everything that is computed from it. */
function valuesFrom(g: GraphBuilder, starts: (node: Node) => boolean): Set<string> {
  const found = new Set<string>();
  for (const node of g.graph.nodes)
    if (starts(node) || node.inputs.some((name) => found.has(name)))
      for (const name of node.outputs) if (name !== '') found.add(name);
  return found;
}

/** More than one position: of an image, or tokens. */
const hasSpace = ({ shape }: Value): boolean =>
  shape.length > 3 ? shape.at(-1)! * shape.at(-2)! > 1 : shape.length === 3 && shape[1]! > 1;

/** Operators whose input and output have their channels at axis 1. */
const CHANNELS_FIRST: ReadonlySet<string> = new Set([
  'Conv',
  'ConvTranspose',
  'MaxPool',
  'AveragePool',
  'LpPool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'BatchNormalization',
  'InstanceNormalization',
  'GroupNormalization',
  'LRN',
]);

/** Whether a value with space has its channels at axis 1, as far as the node that reads it or those before it tell. */
function isFeatureMap(g: GraphBuilder, value: Value, reader: Node): boolean {
  if (value.shape.length !== 4 || !hasSpace(value)) return false;
  if (CHANNELS_FIRST.has(reader.op)) return true;
  if (reader.op.startsWith('Reduce')) return reducedAxes(g, reader) === '2,3';
  return isChannelsFirst(g, value);
}

function isChannelsFirst(g: GraphBuilder, value: Value): boolean {
  const node = g.producer(value);
  if (node === undefined) return false;
  if (CHANNELS_FIRST.has(node.op)) return true;
  if (node.op === 'Transpose') return permutationOf(node) === '0,3,1,2';
  return node.inputs.some((name) => {
    const input = g.value(name);
    return keepsPositions(node, input, value) && isChannelsFirst(g, input);
  });
}

const MIXING: ReadonlySet<string> = new Set(['Reshape', 'MatMul', 'Softmax', 'Gather', 'Einsum']);

/** Whether a node passes every position of a map on by itself: activations, sums, normalisations, a change of layout. */
const keepsPositions = (node: Node, input: Value, output: Value): boolean =>
  input.shape.length === 4 &&
  !MIXING.has(node.op) &&
  (node.op === 'Transpose' || node.op === 'Concat' || input.shape.join() === output.shape.join());

/** Whether a node takes the space of a map away whose channels are not at axis 1: the same map may be found before it. */
const collapses = ({ op }: Node, input: Value, output: Value): boolean =>
  input.shape.length === 4 && !hasSpace(output) && (op === 'Flatten' || op === 'Reshape' || op.startsWith('Reduce'));

const permutationOf = ({ attributes }: Node): string =>
  attributes.perm?.kind === 'ints' ? Array.from(attributes.perm.value, Number).join() : '';

function reducedAxes(g: GraphBuilder, { inputs, attributes }: Node): string {
  const fed = inputs[1] ? g.value(inputs[1]).constant?.data : undefined;
  const axes = Array.from((attributes.axes?.value ?? fed ?? []) as ArrayLike<number | bigint>, Number);
  return axes
    .map((axis) => (axis < 0 ? axis + 4 : axis))
    .sort()
    .join();
}
