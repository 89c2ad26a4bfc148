import type { Node } from './graph.ts';

/** Removes the nodes from `start` on that no result reads, not even through others. ONNX Runtime would compute them. */
export function dropUnread(nodes: Node[], start: number, results: readonly { readonly name: string }[]): void {
  const read = new Set(results.map(({ name }) => name));
  const kept = nodes
    .splice(start)
    .reverse()
    .filter((node) => {
      const needed = node.outputs.some((name) => read.has(name));
      if (needed) for (const name of node.inputs) read.add(name);
      return needed;
    });
  for (const node of kept.reverse()) nodes.push(node);
}
