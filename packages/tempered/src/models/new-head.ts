/** @file Fine-tuning: an imported classifier with a new last layer. */
import {
  type Graph,
  ModelError,
  type Node,
  operatorName,
  parameterNames,
  ShapeError,
  specialize,
  type Tensor,
  UnsupportedOpError,
} from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { sizeOf } from '../tensor.ts';
import type { ModelDescription } from './classifier.ts';
import { withFrozen } from './frozen.ts';
import { heNormal } from './initializers.ts';

export interface NewHeadOptions {
  /** Names of the new classes. */
  classes: readonly string[];
  /** Of the new layer's weights. Default 0. */
  seed?: number;
  /**
   * Leaves every other parameter as it is when the model is trained, and batch normalisation to its running statistics.
   * Written into the model; `unfreeze` takes it back. Default false.
   */
  freeze?: boolean;
}

/**
 * The classifier with a fresh last layer for other classes: small He-normal weights, biases of zero. The last layer is
 * found in the graph, from the logits upwards: a fully connected layer (Gemm, or MatMul with or without Add), or a
 * convolution that is averaged into the logits.
 *
 * @throws UsageError when the model ends otherwise, or its last layer shares its weight with another
 * @example
 * const model = withNewHead(readModel(resnet18), { classes: caltechClasses });
 * const { model: tuned } = await train({ runtime, model, dataset, optimizer: sgd({ weightDecay: 5e-4 }), ... });
 */
export function withNewHead(
  model: ModelDescription,
  { classes, seed = 0, freeze = false }: NewHeadOptions,
): ModelDescription {
  const { graph } = model;
  const head = findHead(model);
  const random = createRandom(seed, 'new head');
  const initializers = new Map(graph.initializers);
  for (const { name, axis, constant } of head.parameters) {
    const { shape } = graph.initializers.get(name)!;
    const tensor = freshTensor(shape.with(axis, classes.length));
    const features = sizeOf(shape) / shape[axis]!;
    if (!constant) heNormal(0.5)(tensor.data, random.split(name), { in: features, out: classes.length });
    initializers.set(name, tensor);
  }
  const changed = { ...graph, initializers, ...reconnected(graph, model.logits, head, classes.length) };
  const result = { ...model, graph: changed, classes };
  checkResult(result);
  if (!freeze) return result;
  const own = new Set(head.parameters.map(({ name }) => name));
  return {
    ...result,
    graph: withFrozen(
      changed,
      parameterNames(changed).filter((name) => !own.has(name)),
    ),
  };
}

interface HeadParameter {
  readonly name: string;
  /** The axis that counts classes. */
  readonly axis: number;
  /** A bias starts at zero. */
  readonly constant: boolean;
}

interface Head {
  readonly parameters: readonly HeadParameter[];
  /** The value that has one number a class, [N, K] or [N, K, H, W]. */
  readonly output: string;
  /** Whether what stands after the layer only rearranges [N, K]: it may hold the old class count, and is dropped. */
  readonly isLast: boolean;
}

/** What only rearranges numbers. */
const SHAPING = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout']);
/** What may stand between a convolution with one map a class and the logits. */
const POOLING = new Set(['GlobalAveragePool', 'AveragePool', 'ReduceMean', 'Relu']);

function findHead(model: ModelDescription): Head {
  const { graph, name: of } = model;
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  let output = model.logits;
  let pooled = false;
  let bias: HeadParameter | undefined;
  for (;;) {
    const node = producers.get(output);
    if (node === undefined) throw noHead(of, `'${output}' is not computed by any layer`);
    const op = operatorName(node);
    const refuse = (reason: string) => noHead(of, `${op} '${node.name || output}' ${reason}`);
    if (SHAPING.has(op) || POOLING.has(op)) {
      pooled ||= POOLING.has(op);
      output = node.inputs[0]!;
    } else if (op === 'Add' && bias === undefined) {
      const index = node.inputs.findIndex((name) => isVector(stored(graph, producers, name)?.tensor));
      if (index < 0) throw refuse('adds something other than a bias');
      const found = stored(graph, producers, node.inputs[index]!)!;
      bias = { name: found.name, axis: found.tensor.shape.length - 1, constant: true };
      return complete(layer(node.inputs[1 - index]!), node.outputs[0]!);
    } else if (['Gemm', 'MatMul', 'Conv'].includes(op)) {
      return complete(layer(output), output);
    } else throw refuse('stands before a layer that could be replaced');
  }

  function layer(value: string): HeadParameter[] {
    const node = producers.get(value);
    const op = node && operatorName(node);
    if (node === undefined || (op !== 'Gemm' && op !== 'MatMul' && op !== 'Conv'))
      throw noHead(of, `${op ?? 'the input'} '${node?.name || value}' stands before the bias`);
    return layerParameters(graph, producers, node, of);
  }

  function complete(parameters: HeadParameter[], from: string): Head {
    const all = bias === undefined ? parameters : [...parameters, bias];
    checkUnshared(graph, all, of);
    return { parameters: all, output: from, isLast: !pooled && producers.get(from)?.op !== 'Conv' };
  }
}

function layerParameters(graph: Graph, producers: ReadonlyMap<string, Node>, node: Node, of: string): HeadParameter[] {
  const what = `${node.op} '${node.name || node.outputs[0]}'`;
  const found = stored(graph, producers, node.inputs[1] ?? '');
  if (found === undefined) throw noHead(of, `the weight of ${what} is computed, not stored`);
  const rank = found.tensor.shape.length;
  const transB = node.attributes.transB?.value === 1;
  if (node.op === 'Conv' ? Number(node.attributes.group?.value ?? 1) !== 1 : rank !== 2)
    throw noHead(of, `the weight of ${what} has shape [${found.tensor.shape}]`);
  const classAxis = node.op === 'Conv' || transB ? 0 : 1;
  const weight = { name: found.name, axis: found.transposed ? 1 - classAxis : classAxis, constant: false };
  const biasName = node.op === 'MatMul' ? '' : (node.inputs[2] ?? '');
  if (biasName === '') return [weight];
  const bias = stored(graph, producers, biasName);
  if (bias === undefined) throw noHead(of, `the bias of ${what} is computed, not stored`);
  if (!isVector(bias.tensor)) throw noHead(of, `the bias of ${what} has shape [${bias.tensor.shape}]`);
  return [weight, { name: bias.name, axis: bias.tensor.shape.length - 1, constant: true }];
}

/** The initializer behind a value, through copies and the transposition of a matrix. */
function stored(
  graph: Graph,
  producers: ReadonlyMap<string, Node>,
  value: string,
): { name: string; tensor: Tensor; transposed: boolean } | undefined {
  const tensor = graph.initializers.get(value);
  if (tensor !== undefined) return { name: value, tensor, transposed: false };
  const node = producers.get(value);
  if (node?.op !== 'Identity' && node?.op !== 'Transpose') return undefined;
  const found = stored(graph, producers, node.inputs[0]!);
  if (found === undefined || node.op === 'Identity') return found;
  return found.tensor.shape.length === 2 ? { ...found, transposed: !found.transposed } : undefined;
}

const isVector = (tensor: Tensor | undefined): boolean =>
  tensor !== undefined && tensor.shape.length >= 1 && sizeOf(tensor.shape) === tensor.shape.at(-1);

function checkUnshared(graph: Graph, parameters: readonly HeadParameter[], of: string): void {
  for (const { name } of parameters) {
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(name));
    if (readers.length > 1)
      throw noHead(
        of,
        `'${name}' is also used by '${readers.map((node) => node.name || node.outputs[0]).join("', '")}'`,
      );
  }
}

/** The graph's end with the new class count. */
function reconnected(graph: Graph, logits: string, { output, isLast }: Head, classes: number): Partial<Graph> {
  const outputs = graph.outputs.map((value) =>
    value.name === logits ? { ...value, shape: [value.shape?.[0] ?? null, classes] } : value,
  );
  if (!isLast || output === logits) return { outputs };
  // The layer's own output takes the name of the logits; what made them out of it is gone.
  const renamed = (name: string): string => (name === output ? logits : name);
  const nodes = graph.nodes
    .filter((node) => !node.outputs.includes(logits))
    .map((node) => ({ ...node, inputs: node.inputs.map(renamed), outputs: node.outputs.map(renamed) }));
  return { outputs, nodes };
}

/** Something after the layer may still count the old classes. */
function checkResult({ name, graph, input, inputShape, logits, classes }: ModelDescription): void {
  try {
    const { outputs } = specialize(graph, { [input]: [1, ...inputShape] });
    const shape = outputs.find((value) => value.name === logits)?.shape ?? [];
    if (sizeOf(shape as number[]) === classes.length) return;
    throw noHead(name, `with ${classes.length} classes its output has shape [${shape}]`);
  } catch (error) {
    if (!(error instanceof ShapeError || error instanceof ModelError || error instanceof UnsupportedOpError))
      throw error;
    throw noHead(name, `what stands after its last layer does not take ${classes.length} classes: ${error.message}`);
  }
}

function freshTensor(shape: readonly number[]): { dtype: 'float32'; shape: readonly number[]; data: Float32Array } {
  return { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)) };
}

const noHead = (model: string, reason: string): UsageError =>
  new UsageError(
    `the last layer of '${model}' cannot be replaced: ${reason}. It has to end in a fully connected layer, or in a convolution and averages`,
  );
