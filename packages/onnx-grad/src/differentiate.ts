import { GraphBuilder } from './builder.ts';
import { ShapeError } from './errors.ts';
import { gradient } from './gradient.ts';
import { copyGraph, type Graph, isFloat } from './graph.ts';
import { parameterNames } from './parameters.ts';

export interface DifferentiateOptions {
  /** Name of the output to differentiate; the first one when left out. */
  of?: string;
  /** `'input'`: every float input; `'all'`: inputs and float parameters; or names of inputs and initializers. Default `'input'`. */
  wrt?: 'input' | 'all' | readonly string[];
}

/**
 * Returns a copy of a specialised graph with the backward pass appended: its original outputs, one extra input
 * `<of>_cotangent` of the output's type and shape, and one extra output `<name>_grad` for each name of `wrt`: the
 * vector–Jacobian product Σ cotangent · ∂of/∂name.
 * A name that an input, output or initializer of the graph has already, as in a graph that `differentiate` returned, gets
 * the next free number: `<name>_grad_2`. Inner values give way to the new names.
 *
 * @throws ShapeError for a name the graph does not have; UnsupportedOpError for an operator without a gradient rule
 * @example
 * const graph = specialize(parseModel(bytes), { input: [1, 3, 224, 224] });
 * const bytesOut = writeModel(differentiate(graph, { of: 'logits', wrt: 'input' }));
 */
export function differentiate(
  graph: Graph,
  { of = graph.outputs[0]?.name, wrt = 'input' }: DifferentiateOptions = {},
): Graph {
  const output = graph.outputs.find((value) => value.name === of);
  if (output === undefined) {
    throw new ShapeError(
      `the model has no output '${of}'; it has ${graph.outputs.map((v) => `'${v.name}'`).join(', ')}`,
    );
  }
  const names = resolveNames(graph, wrt);
  const added = [`${output.name}_cotangent`, ...names.map((name) => `${name}_grad`)];
  const taken = declaredNames(graph);
  const free = added.map((name) => freeName(name, taken));
  const [cotangentName, ...gradientNames] = free;
  const copy = freeInnerNames(graph, free);
  const g = new GraphBuilder(copy, names);
  const value = g.value(output.name);
  const cotangent = g.input(cotangentName!, value.dtype, value.shape);
  const gradients = gradient(g, { of: value, wrt: names.map((name) => g.value(name)), cotangent });
  gradients.forEach((part, i) => {
    g.output(part, gradientNames[i]);
  });
  return copy;
}

/** The names that users of the graph know. */
const declaredNames = ({ inputs, outputs, initializers }: Graph): Set<string> =>
  new Set([...inputs.map(({ name }) => name), ...outputs.map(({ name }) => name), ...initializers.keys()]);

/** `name`, or with the first number from 2 that nobody has; the result counts as taken from then on. */
function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}_${number}`;
  taken.add(free);
  return free;
}

/** A copy of a graph in which no node, and no value between nodes, has one of `names`. */
function freeInnerNames(graph: Graph, names: readonly string[]): Graph {
  const copy = copyGraph(graph);
  const used = graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]);
  const taken = new Set([...declaredNames(graph), ...names, ...used]);
  const renamed = new Map(names.filter((name) => used.includes(name)).map((name) => [name, freeName(name, taken)]));
  if (renamed.size === 0) return copy;
  const rename = (name: string) => renamed.get(name) ?? name;
  copy.nodes = graph.nodes.map((node) => ({
    ...node,
    name: rename(node.name),
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  return copy;
}

/** The names that `'input'`, `'all'` or a list stand for, each once. Shared with `specialize`, which must not fold these away. */
export function resolveNames(graph: Graph, wrt: 'input' | 'all' | readonly string[]): string[] {
  const inputs = graph.inputs
    .filter((input) => isFloat(input.dtype) && !graph.initializers.has(input.name))
    .map((v) => v.name);
  if (wrt === 'input') return inputs;
  const parameters = parameterNames(graph);
  if (wrt === 'all') return [...inputs, ...parameters];
  for (const name of wrt) {
    if (inputs.includes(name) || parameters.includes(name)) continue;
    throw new ShapeError(
      `cannot differentiate by '${name}': it is neither an input nor a float parameter (inputs: ${inputs.join(', ')}; ${parameters.length} parameters)`,
    );
  }
  return [...new Set(wrt)];
}
