import { GraphBuilder } from './builder.ts';
import type { Graph, Node } from './graph.ts';
import { operators } from './operators/index.ts';
import type { LRNAttributes } from './operators/local-response.ts';
import type { BatchNormalizationAttributes } from './operators/normalization.ts';
import { type AttributeValues, readAttributes } from './operators/operator.ts';
import { batchStatistics } from './rules/batch-normalization.ts';
import { localResponse } from './rules/local-response.ts';
import type { Value } from './value.ts';

interface Decomposition {
  /** Whether nodes with these attributes are replaced. Default: all. */
  when?(attributes: AttributeValues): boolean;
  write(g: GraphBuilder, inputs: readonly Value[], attributes: AttributeValues): Value[];
}

const decompositions: Record<string, Decomposition> = {
  // In training mode WebGPU has no kernel, and its gradient computes the same statistics, which are then shared.
  BatchNormalization: {
    when: (attributes) => (attributes as BatchNormalizationAttributes).training_mode === 1,
    write(g, inputs, attributes) {
      const [x, scale, bias, runningMean, runningVariance] = inputs as [Value, Value, Value, Value, Value];
      const { epsilon, momentum } = attributes as BatchNormalizationAttributes;
      const { mean, variance } = batchStatistics(g, x);
      const mix = (running: Value, batch: Value) => g.add(g.scale(running, momentum), g.scale(batch, 1 - momentum));
      return [
        g.op('BatchNormalization', [x, scale, bias, mean, variance], { epsilon }),
        mix(runningMean, mean),
        mix(runningVariance, variance),
      ];
    },
  },
  // The CPU's kernel takes a power of every element, and WebGPU has none.
  LRN: {
    write: (g, [x], attributes) => [g.mul(x!, localResponse(g, x!, attributes as LRNAttributes).factor)],
  },
};

/**
 * Returns a copy of a specialised graph in which the operators that some provider lacks or runs slowly are written with
 * others: BatchNormalization in training mode, and LRN. Call it on a graph that is about to be run, after
 * differentiation, whose rules for these operators are shorter than those of their parts. Names of values are kept.
 *
 * @example
 * const bytes = writeModel(decompose(differentiate(graph, { wrt: 'all' })));
 */
export function decompose(graph: Graph): Graph {
  const copy: Graph = {
    ...graph,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    initializers: new Map(graph.initializers),
    nodes: [...graph.nodes],
  };
  const g = new GraphBuilder(copy);
  for (const node of copy.nodes.splice(0)) {
    const decomposition = node.domain === '' ? decompositions[node.op] : undefined;
    const attributes = decomposition && readAttributes(operators[node.op]!.attributes, node);
    if (decomposition === undefined || decomposition.when?.(attributes!) === false) copy.nodes.push(node);
    else copy.nodes.push(...replace(g, copy, node, decomposition, attributes!));
  }
  return copy;
}

/** The nodes that stand for one, with its output names. */
function replace(
  g: GraphBuilder,
  graph: Graph,
  node: Node,
  { write }: Decomposition,
  attributes: AttributeValues,
): Node[] {
  const start = graph.nodes.length;
  const values = write(
    g,
    node.inputs.map((name) => g.value(name)),
    attributes,
  );
  const names = new Map(
    node.outputs.map((name, i) => [values[i]!.name, name] as const).filter(([, name]) => name !== ''),
  );
  const rename = (name: string) => names.get(name) ?? name;
  return graph.nodes
    .splice(start)
    .map((part) => ({ ...part, inputs: part.inputs.map(rename), outputs: part.outputs.map(rename) }));
}
