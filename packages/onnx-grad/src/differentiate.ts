import { GraphBuilder } from './builder.ts';
import { ShapeError } from './errors.ts';
import { gradient } from './gradient.ts';
import { type Graph, isFloat } from './graph.ts';
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
  const copy: Graph = {
    ...graph,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    initializers: new Map(graph.initializers),
    nodes: [...graph.nodes],
  };
  const g = new GraphBuilder(copy, names);
  const value = g.value(output.name);
  const cotangent = g.input(`${value.name}_cotangent`, value.dtype, value.shape);
  const gradients = gradient(g, { of: value, wrt: names.map((name) => g.value(name)), cotangent });
  gradients.forEach((part, i) => {
    g.output(part, `${names[i]}_grad`);
  });
  return copy;
}

/** The names that `'input'`, `'all'` or a list stand for. Shared with `specialize`, which must not fold these away. */
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
  return [...wrt];
}
