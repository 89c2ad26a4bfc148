/** @file Class activation maps: what each position of the last feature map adds to the score of each class. */
import type { Graph, GraphBuilder, Node, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { AppliedModel, ModelDescription } from '../models/classifier.ts';

/** The end of a network whose logits are linear in the means of its last feature map. Names are those of the ONNX file. */
export interface ClassActivationHead {
  /** The value that is pooled, [N, C, H, W]. */
  readonly featureMap: string;
  /** The initializer of the last linear layer. */
  readonly weights: string;
  /** Whether that initializer has a row for each class, [K, C, ...], or one for each channel, [C, K]. */
  readonly rows: 'classes' | 'channels';
}

/**
 * Finds the head in a model's graph: global average pooling, then one linear layer (Gemm, MatMul or 1×1 Conv, with or
 * without bias; a Gemm neither scaled by alpha nor transposed in its features), then the logits; layers that only reshape, and dropout, may stand in between.
 *
 * @throws UsageError for a model without such a head
 */
export function classActivationHead({ graph, name, logits }: ModelDescription): ClassActivationHead {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const fail = (found: Node | undefined, wanted: string): never => {
    throw new UsageError(
      `'${name}' has no class activation maps: they need a network that ends in global average pooling and one linear layer, but ${found ? `${found.op} ('${found.name || found.outputs[0]}')` : 'an input or a constant'} stands where ${wanted} is expected`,
    );
  };
  /** What computes a value, behind nodes that only reshape it. */
  const source = (value: string): Node | undefined => {
    const node = producers.get(value);
    return node && RESHAPING.has(node.op) && node.domain === '' ? source(node.inputs[0]!) : node;
  };
  let linear = source(logits);
  if (linear?.op === 'Add') {
    const computed = linear.inputs.filter((input) => !graph.initializers.has(input) && producers.has(input));
    linear = computed.length === 1 ? source(computed[0]!) : linear;
  }
  if (linear === undefined || !(linear.op in ROWS)) return fail(linear, 'the last linear layer');
  const { alpha, transA } = linear.attributes;
  if (linear.op === 'Gemm' && ((alpha?.value ?? 1) !== 1 || (transA?.value ?? 0) !== 0))
    return fail(linear, 'a Gemm without alpha and transA');
  const [features, weights] = linear.inputs as [string, string];
  const shape = graph.initializers.get(weights)?.shape;
  if (shape === undefined || shape.slice(2).some((length) => length !== 1))
    return fail(linear, 'a linear layer with weights of its own');
  const pooling = source(features);
  if (pooling === undefined || !isGlobalMean(graph, pooling)) return fail(pooling, 'global average pooling');
  return { featureMap: behindIdentities(producers, pooling.inputs[0]!), weights, rows: ROWS[linear.op]!(linear) };
}

/**
 * Writes the map of every class, [N, K, H, W]: I_k = Σ_c w_kc A_c, signed, whose mean over the positions is the logit
 * without its bias. Zhou et al. 2016, eq. 2. Without the factor 1 / (H W) of the formula in Boopathy et al. 2020, like
 * their code. A map can be differentiated by the input and, twice, by the weights.
 *
 * @example
 * const head = classActivationHead(classifier.description);
 * const maps = classActivationMaps(g, model(x), head);
 */
export function classActivationMaps(g: GraphBuilder, applied: AppliedModel, head: ClassActivationHead): Value {
  const features = applied.value(head.featureMap);
  const weights = applied.value(head.weights);
  const channels = features.shape[1]!;
  const rows =
    head.rows === 'classes' ? weights : g.transpose(g.reshape(weights, [channels, weights.shape[1]!]), [1, 0]);
  return g.op('Conv', [features, g.reshape(rows, [rows.shape[0]!, channels, 1, 1])], { kernel_shape: [1, 1] });
}

const RESHAPING: ReadonlySet<string> = new Set(['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout']);

/** How the weights of each linear operator lie. */
const ROWS: Readonly<Record<string, (node: Node) => ClassActivationHead['rows']>> = {
  Conv: () => 'classes',
  Gemm: ({ attributes }) => (attributes.transB?.value === 1 ? 'classes' : 'channels'),
  MatMul: () => 'channels',
};

function isGlobalMean(graph: Graph, { op, inputs, attributes }: Node): boolean {
  if (op === 'GlobalAveragePool') return true;
  if (op !== 'ReduceMean') return false;
  const fed = graph.initializers.get(inputs[1] ?? '') ?? constantOf(graph, inputs[1]);
  const axes = Array.from((attributes.axes?.value ?? fed?.data ?? []) as ArrayLike<number | bigint>, Number);
  const places = axes.map((axis) => (axis < 0 ? axis + 4 : axis)).sort();
  return places.join() === '2,3';
}

function constantOf(graph: Graph, name: string | undefined) {
  const value = graph.nodes.find((node) => node.op === 'Constant' && node.outputs[0] === name)?.attributes.value;
  return value?.kind === 'tensor' ? value.value : undefined;
}

function behindIdentities(producers: ReadonlyMap<string, Node>, value: string): string {
  const node = producers.get(value);
  return node && (node.op === 'Identity' || node.op === 'Dropout')
    ? behindIdentities(producers, node.inputs[0]!)
    : value;
}
