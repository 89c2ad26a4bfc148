/** @file The layers of a network by their weights, in the order in which the graph uses them. */
import { type Graph, isFloat, parameterNames } from 'onnx-grad';
import type { ModelDescription } from './classifier.ts';
import { isPreprocessing } from './load.ts';

export interface WeightLayer {
  /** The name of its weights in the ONNX file. */
  readonly name: string;
  /** Initializers of the layer: the weights, and the biases, scales and statistics that come before the next weights. */
  readonly parameters: readonly string[];
}

/**
 * The layers of a model from the input to the output. A layer begins at a tensor with two axes longer than 1 that enters
 * the arithmetic. Constants of the preprocessing, vectors before the first weights and single numbers belong to none.
 */
export function weightLayers({ graph }: ModelDescription): WeightLayer[] {
  const known = new Set(parameterNames(graph));
  const layers: { name: string; parameters: string[] }[] = [];
  const seen = new Set<string>();
  for (const name of graph.nodes.flatMap(({ inputs }) => inputs)) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined || seen.has(name) || !known.has(name) || isPreprocessing(name)) continue;
    if (tensor.data.length < 2) continue;
    seen.add(name);
    if (tensor.shape.filter((length) => length > 1).length > 1) layers.push({ name, parameters: [name] });
    else layers.at(-1)?.parameters.push(name);
  }
  return layers;
}

/** The graph with the numbers that it holds in Constant nodes among its initializers: some exporters write weights so. */
export function withConstantsAsInitializers(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.filter(({ op, domain, outputs: [name = ''], attributes: { value } }) => {
    if (op !== 'Constant' || domain !== '' || value?.kind !== 'tensor' || outputs.has(name)) return true;
    if (!isFloat(value.value.dtype)) return true;
    initializers.set(name, value.value);
    return false;
  });
  return { ...graph, initializers, nodes };
}
