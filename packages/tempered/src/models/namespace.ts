import type { Graph } from 'onnx-grad';

/** Before the names of a model inside a program. Programs name their own inputs and outputs, and never with a slash. */
const MODEL = 'model/';

/** The name that a model's value has inside a program. */
export const inProgram = (name: string): string => MODEL + name;

/** Keys by the names inside a program. */
export function keysInProgram<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [inProgram(name), value]));
}

/** A specialised graph under its names inside a program: a model may well have a value called 'x' or 'loss' itself. */
export function graphInProgram(graph: Graph): Graph {
  const rename = (name: string): string => (name === '' ? '' : inProgram(name));
  return {
    ...graph,
    inputs: graph.inputs.map((value) => ({ ...value, name: rename(value.name) })),
    outputs: graph.outputs.map((value) => ({ ...value, name: rename(value.name) })),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [rename(name), tensor])),
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
  };
}

/** The name that a value of a program has in the model, or its own where it is not the model's. */
export const outsideProgram = (name: string): string => (name.startsWith(MODEL) ? name.slice(MODEL.length) : name);
