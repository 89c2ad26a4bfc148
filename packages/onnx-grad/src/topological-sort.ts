import { ModelError } from './errors.ts';
import { describeNode, type Graph, type Node } from './graph.ts';

export interface Names {
  has(name: string): boolean;
}

/**
 * Orders nodes so that each comes after those it reads from; nodes in a valid order keep it.
 *
 * @param own names of the graph's inputs and initializers, which no node may compute again
 * @param outer names of the enclosing graphs
 * @throws ModelError for a cycle, a value computed twice, or one that nothing computes
 */
export function topologicalSort(nodes: readonly Node[], own: Names, outer: Names = new Set()): Node[] {
  const producers = producersOf(nodes, own);
  const reads = nodes.map((node) => readsOf(node));
  const waiting = new Array<number>(nodes.length).fill(0);
  const readers: number[][] = nodes.map(() => []);
  nodes.forEach((node, index) => {
    for (const name of reads[index]!) {
      const producer = producers.get(name);
      if (producer === undefined) {
        if (own.has(name) || outer.has(name)) continue;
        throw new ModelError(`${describeNode(node)} reads '${name}', which is no input, initializer or node output`);
      }
      readers[producer]!.push(index);
      waiting[index]! += 1;
    }
  });
  if (nodes.every((_, index) => readers[index]!.every((reader) => reader > index))) return [...nodes];

  const ready = nodes.flatMap((_, index) => (waiting[index] === 0 ? [index] : []));
  for (let next = 0; next < ready.length; next += 1) {
    for (const reader of readers[ready[next]!]!) {
      waiting[reader]! -= 1;
      if (waiting[reader] === 0) ready.push(reader);
    }
  }
  if (ready.length < nodes.length) {
    const stuck = nodes.find((_, index) => waiting[index]! > 0)!;
    throw new ModelError(`the graph has a cycle through ${describeNode(stuck)}: an ONNX graph must be acyclic`);
  }
  return ready.map((index) => nodes[index]!);
}

function producersOf(nodes: readonly Node[], own: Names): Map<string, number> {
  const producers = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (producers.has(name) || own.has(name)) {
        throw new ModelError(`${describeNode(node)} computes '${name}', a name that another value already has`);
      }
      producers.set(name, index);
    }
  });
  return producers;
}

/** Every name a node reads, including what its sub-graphs take from outside. */
function readsOf(node: Node): Set<string> {
  const names = new Set(node.inputs.filter((name) => name !== ''));
  for (const attribute of Object.values(node.attributes)) {
    if (attribute.kind === 'graph') for (const name of capturedNames(attribute.value)) names.add(name);
  }
  return names;
}

/** The names a sub-graph reads from the graphs around it. */
export function capturedNames(graph: Graph): Set<string> {
  const own = new Set([...graph.inputs.map((input) => input.name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const captured = new Set<string>();
  for (const node of graph.nodes) for (const name of readsOf(node)) if (!own.has(name)) captured.add(name);
  for (const { name } of graph.outputs) if (!own.has(name)) captured.add(name);
  return captured;
}
