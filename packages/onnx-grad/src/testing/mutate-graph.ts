/** @file Damage that leaves the file readable: wrong operators, attributes, connections, shapes and numbers. */
import type { Attribute, DataType, Graph, Node, Tensor } from '../graph.ts';
import { generator, type Random } from './mutate.ts';

const NUMBERS = [
  0,
  1,
  2,
  3,
  5,
  7,
  13,
  64,
  1000,
  65536,
  2 ** 24,
  2 ** 31,
  2 ** 40,
  2 ** 53,
  2 ** 63,
  -1,
  -2,
  -7,
  -(2 ** 31),
  -(2 ** 63),
];
const TYPES: DataType[] = ['float32', 'float64', 'float16', 'int64', 'int32', 'uint8', 'bool', 'string'];

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[random(Math.max(1, list.length))];
const number = (random: Random): number => pick(NUMBERS, random)!;

function changeAttribute(attribute: Attribute, random: Random): Attribute {
  switch (attribute.kind) {
    case 'int':
      return random(8) === 0 ? { kind: 'float', value: number(random) } : { kind: 'int', value: number(random) };
    case 'float':
      return { kind: 'float', value: pick([0, -1, 1e30, Number.NaN, Number.POSITIVE_INFINITY], random)! };
    case 'string':
      return { kind: 'string', value: attribute.value.slice(random(attribute.value.length + 1)) };
    case 'ints': {
      const value = [...attribute.value];
      const way = random(8);
      if (way === 0) value.length = random(value.length + 1);
      else if (way === 1) value.push(number(random));
      else value[random(Math.max(1, value.length))] = number(random);
      return { kind: 'ints', value };
    }
    case 'tensor':
      return { kind: 'tensor', value: changeTensor(attribute.value, random) };
    default:
      return attribute;
  }
}

function changeTensor(tensor: Tensor, random: Random): Tensor {
  const { dtype, shape, data } = tensor;
  if (data instanceof BigInt64Array && data.length > 0 && random(3) > 0) {
    const copy = BigInt64Array.from(data);
    copy[random(copy.length)] = BigInt.asIntN(64, BigInt(number(random)));
    return { dtype, shape, data: copy };
  }
  // Splits, merges, adds and removes axes while the number of elements stays.
  const flat = shape.reduce((a, b) => a * b, 1);
  return {
    dtype,
    shape: pick([[flat], [1, flat], [flat, 1], [...shape, 1], [...shape].reverse(), [1, ...shape]], random)!,
    data,
  };
}

type Mutation = (graph: Graph, node: Node, random: Random) => void;

const mutations: readonly Mutation[] = [
  (graph, node, random) => {
    node.op = pick(graph.nodes, random)!.op;
  },
  (_, node, random) => {
    const name = pick(Object.keys(node.attributes), random);
    if (name !== undefined) node.attributes[name] = changeAttribute(node.attributes[name]!, random);
  },
  (_, node, random) => {
    const name = pick(Object.keys(node.attributes), random);
    if (name !== undefined) delete node.attributes[name];
  },
  (graph, node, random) => {
    const other = pick(graph.nodes, random)!;
    Object.assign(node.attributes, other.attributes);
  },
  (graph, node, random) => {
    const names = [...graph.initializers.keys(), 'x', '', ...graph.nodes.flatMap((n) => n.outputs)];
    node.inputs[random(node.inputs.length + 1)] = pick(names, random)!;
    node.inputs = Array.from(node.inputs, (name) => name ?? '');
  },
  (_, node, random) => {
    node.inputs.splice(random(node.inputs.length + 1), 1);
  },
  (_, node, random) => {
    if (random(2) === 0) node.outputs.push('extra');
    else node.outputs.reverse();
  },
  (graph, _, random) => {
    const name = pick([...graph.initializers.keys()], random);
    if (name !== undefined) graph.initializers.set(name, changeTensor(graph.initializers.get(name)!, random));
  },
  (graph, _, random) => {
    const input = graph.inputs[0]!;
    const shape = [...(input.shape ?? [])];
    shape[random(Math.max(1, shape.length))] = Math.abs(number(random));
    graph.inputs[0] = { ...input, shape };
  },
  (graph, _, random) => {
    graph.inputs[0] = { ...graph.inputs[0]!, dtype: pick(TYPES, random)! };
  },
  (graph, _, random) => {
    graph.opsets[''] = 6 + random(22);
  },
];

/** A changed copy of a graph, a function of the graph and the number alone. */
export function mutateGraph(original: Graph, seed: number): Graph {
  const random = generator(seed);
  const graph = structuredClone(original);
  for (let rounds = 1 + random(3); rounds > 0; rounds -= 1) {
    pick(mutations, random)!(graph, pick(graph.nodes, random)!, random);
  }
  return graph;
}
