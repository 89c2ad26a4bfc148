/** @file Which tensors of a model are parameters. */
import { type Graph, isFloat, type Node, operatorName } from './graph.ts';

/** Float inputs that set up an operator rather than enter its arithmetic: scales, bounds, ratios. */
const SETTINGS: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  Dropout: [1],
  Pad: [2],
  Range: [0, 1, 2],
  Resize: [1, 2],
  Upsample: [1],
};

/**
 * The names of a model's float parameters: its initializers, and the copies of them that PyTorch's exporter writes as
 * Identity nodes when two parameters happen to be equal. Numbers that only set up an operator are left out.
 */
export function parameterNames(graph: Graph): string[] {
  const settings = new Set<string>();
  const operands = new Set<string>(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) {
    const positions = SETTINGS[operatorName(node)] ?? [];
    node.inputs.forEach((name, i) => {
      (positions.includes(i) ? settings : operands).add(name);
    });
  }
  const isParameter = (name: string): boolean => operands.has(name) || !settings.has(name);
  const initializers = [...graph.initializers].filter(([, tensor]) => isFloat(tensor.dtype)).map(([name]) => name);
  return [...initializers, ...copies(graph).keys()].filter(isParameter);
}

/** Identity nodes that only give a float initializer a second name, by that name. */
function copies(graph: Graph): Map<string, Node> {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const found = new Map<string, Node>();
  for (const node of graph.nodes) {
    const name = node.outputs[0];
    const tensor = graph.initializers.get(node.inputs[0] ?? '');
    if (node.op !== 'Identity' || node.domain !== '' || name === undefined || outputs.has(name)) continue;
    if (tensor !== undefined && isFloat(tensor.dtype)) found.set(name, node);
  }
  return found;
}

/** Makes the copies among `parameters` initializers of their own, so that each has its own gradient. */
export function separateCopies(graph: Graph, parameters: ReadonlySet<string>): Graph {
  const wanted = new Map([...copies(graph)].filter(([name]) => parameters.has(name)));
  if (wanted.size === 0) return graph;
  const initializers = new Map(graph.initializers);
  for (const [name, node] of wanted) initializers.set(name, graph.initializers.get(node.inputs[0]!)!);
  const removed = new Set(wanted.values());
  return { ...graph, initializers, nodes: graph.nodes.filter((node) => !removed.has(node)) };
}
