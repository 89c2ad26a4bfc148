/** @file Parameters that training leaves alone: a list in the model's metadata, so that it travels with the file. */
import type { Graph } from 'onnx-grad';
import type { ModelDescription } from './classifier.ts';

const FROZEN = 'tempered.frozen';

/** Names of the initializers that training leaves alone; a BatchNormalization of such keeps to its running statistics. */
export function frozenNames(graph: Graph): ReadonlySet<string> {
  const text = graph.metadata[FROZEN];
  if (text === undefined) return new Set();
  try {
    const names: unknown = JSON.parse(text);
    return new Set(Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []);
  } catch {
    // Metadata of another tool that happens to have this key freezes nothing.
    return new Set();
  }
}

export function withFrozen(graph: Graph, names: readonly string[]): Graph {
  return { ...graph, metadata: { ...graph.metadata, [FROZEN]: JSON.stringify(names) } };
}

/** The model with every parameter trained again. */
export function unfreeze(model: ModelDescription): ModelDescription {
  const { [FROZEN]: _frozen, ...metadata } = model.graph.metadata;
  return { ...model, graph: { ...model.graph, metadata } };
}
