import { GraphBuilder } from './builder.ts';
import { copyGraph, type Graph, type Node, sizeOf } from './graph.ts';
import { type ConvAttributes, resolveConv } from './operators/convolution.ts';
import { operators } from './operators/index.ts';
import { type AxisSlice, slicesOf } from './operators/indexing.ts';
import type { LRNAttributes } from './operators/local-response.ts';
import type { BatchNormalizationAttributes } from './operators/normalization.ts';
import { type AttributeValues, readAttributes } from './operators/operator.ts';
import { reducedAxes } from './operators/reduction.ts';
import { averagedConvolution, hasSmallTable } from './rules/averaged-convolution.ts';
import { batchStatistics } from './rules/batch-normalization.ts';
import { localResponse } from './rules/local-response.ts';
import { dropUnread } from './unread.ts';
import type { Value } from './value.ts';

interface Decomposition {
  /** Whether a node with these attributes and inputs is replaced. Default: all. */
  when?(attributes: AttributeValues, inputs: readonly (Value | undefined)[], around: Surroundings): boolean;
  write(
    g: GraphBuilder,
    inputs: readonly (Value | undefined)[],
    attributes: AttributeValues,
    outputs: readonly (Value | undefined)[],
  ): Value[];
}

interface Surroundings {
  readonly g: GraphBuilder;
  /** How many nodes and outputs read a value, by its name. */
  readonly readers: ReadonlyMap<string, number>;
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
  // WebGPU ignores where a backward slice starts.
  Slice: {
    when: (_, [, , , , steps]) => steps !== undefined && integersOf(steps)!.some((step) => step < 0),
    write(g, [x, starts, ends, axes, steps]) {
      const [from, to, along, by] = [starts, ends, axes, steps].map(integersOf);
      const slices = slicesOf(x!.shape, from!, to!, along, by).map((slice, axis) => ({ ...slice, axis }));
      const forward = slices.filter(({ step }) => step > 0);
      const kept = g.slice(x!, {
        starts: forward.map(({ start }) => start),
        ends: forward.map(({ start, count, step }) => start + count * step),
        axes: forward.map(({ axis }) => axis),
        steps: forward.map(({ step }) => step),
      });
      const picked = ({ start, step, count }: AxisSlice) => Array.from({ length: count }, (_, i) => start + i * step);
      return [
        slices
          .filter(({ step }) => step < 0)
          .reduce((value, slice) => g.gather(value, g.integers(picked(slice)), slice.axis), kept),
      ];
    },
  },
  // The mean over all positions of a convolution that nothing else reads needs no convolution: 9 times faster, with its
  // gradients, for a network of 7 × 7 windows.
  GlobalAveragePool: {
    when: (_, [x], around) => isAveragedConvolution(x!, around),
    write: (g, [x], _, [y]) => [writeAveragedConvolution(g, x!, y!.shape)],
  },
  ReduceMean: {
    when: (attributes, [x, axes], around) =>
      reducesPositions(x!, integersOf(axes), attributes) && isAveragedConvolution(x!, around),
    write: (g, [x], _, [y]) => [writeAveragedConvolution(g, x!, y!.shape)],
  },
  StopGradient: { write: (g, [x]) => [g.op('Identity', [x])] },
  // WebGPU throws when an operand repeats along a last axis whose length is a multiple of 4.
  Pow: {
    when: (_, [x, exponent]) => [x!, exponent!].every(({ shape }) => sizeOf(shape) > 1) && !sameShape(x!, exponent!),
    write(g, [x, exponent]) {
      const spread = g.broadcast(x!, exponent!.shape);
      return [g.pow(spread, g.broadcast(exponent!, spread.shape))];
    },
  },
};

/** The convolution that computes `x`, with its inputs. */
function convolutionOf(g: GraphBuilder, x: Value) {
  const node = g.producer(x);
  if (node?.op !== 'Conv') return undefined;
  const [image, weight, bias] = node.inputs.map((name) => (name === '' ? undefined : g.value(name)));
  const attributes = readAttributes(operators.Conv!.attributes, node) as ConvAttributes;
  return { image: image!, weight: weight!, bias, convolution: resolveConv(attributes, image!.shape, weight!.shape) };
}

function isAveragedConvolution(x: Value, { g, readers }: Surroundings): boolean {
  const found = convolutionOf(g, x);
  return (
    found !== undefined &&
    readers.get(x.name) === 1 &&
    sizeOf(found.convolution.window.output) > 1 &&
    hasSmallTable(found.convolution)
  );
}

function writeAveragedConvolution(g: GraphBuilder, x: Value, shape: readonly number[]): Value {
  const { image, weight, bias, convolution } = convolutionOf(g, x)!;
  const mean = averagedConvolution(g, image, weight, convolution);
  return g.op('Reshape', [bias ? g.add(mean, bias) : mean, g.integers(shape)]);
}

/** Whether a mean is taken over all axes of x but the first two. */
const reducesPositions = (
  { shape }: Value,
  axes: readonly number[] | undefined,
  attributes: AttributeValues,
): boolean =>
  shape.length > 2 &&
  reducedAxes(axes, shape.length, attributes, 'ReduceMean').sort().join() === [...shape.keys()].slice(2).join();

const integersOf = (value: Value | undefined): number[] | undefined =>
  value && Array.from(value.constant!.data as ArrayLike<number | bigint>, Number);

const sameShape = (a: Value, b: Value): boolean => a.shape.join() === b.shape.join();

/**
 * Returns a copy of a specialised graph in which the operators that some provider lacks, computes wrongly or runs slowly
 * are written with others: BatchNormalization in training mode, LRN, Slice with negative steps, Pow of two shapes, the mean
 * over all positions of a convolution; and StopGradient, which is none of ONNX's. Nodes that no output reads are left out.
 * Call it on a graph that is about to be run, after differentiation, whose rules for these operators are shorter than those
 * of their parts. Names of values are kept.
 *
 * @example
 * const bytes = writeModel(decompose(differentiate(graph, { wrt: 'all' })));
 */
export function decompose(graph: Graph): Graph {
  const copy = copyGraph(graph);
  const g = new GraphBuilder(copy);
  const readers = countReaders(copy);
  for (const node of copy.nodes.splice(0)) {
    const decomposition = node.domain === '' ? decompositions[node.op] : undefined;
    if (decomposition === undefined) {
      copy.nodes.push(node);
      continue;
    }
    const attributes = readAttributes(operators[node.op]!.attributes, node);
    const inputs = node.inputs.map((name) => (name === '' ? undefined : g.value(name)));
    const applies = decomposition.when?.(attributes, inputs, { g, readers }) ?? true;
    const outputs = node.outputs.map((name) => (name === '' ? undefined : g.value(name)));
    if (applies) copy.nodes.push(...nodesFor(copy, node, () => decomposition.write(g, inputs, attributes, outputs)));
    else copy.nodes.push(node);
  }
  dropUnread(copy.nodes, 0, copy.outputs);
  return copy;
}

function countReaders({ nodes, outputs }: Graph): Map<string, number> {
  const readers = new Map<string, number>();
  for (const name of [...nodes.flatMap((node) => node.inputs), ...outputs.map((output) => output.name)])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  return readers;
}

/** What `write` appends, taken back and renamed, so that it ends in the node's own outputs. */
function nodesFor(graph: Graph, { outputs }: Node, write: () => Value[]): Node[] {
  const start = graph.nodes.length;
  const values = write();
  const names = new Map(outputs.map((name, i) => [values[i]!.name, name] as const).filter(([, name]) => name !== ''));
  const rename = (name: string) => names.get(name) ?? name;
  return graph.nodes
    .splice(start)
    .map((part) => ({ ...part, inputs: part.inputs.map(rename), outputs: part.outputs.map(rename) }));
}
