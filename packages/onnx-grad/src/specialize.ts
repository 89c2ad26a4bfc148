import { bindShapes } from './bind-shapes.ts';
import { GraphBuilder } from './builder.ts';
import { resolveNames } from './differentiate.ts';
import { ModelError } from './errors.ts';
import { Expansion, type Scope } from './expansion.ts';
import { CANONICAL_OPSET, emptyGraph, type Graph, type Node, type Tensor } from './graph.ts';
import { separateCopies } from './parameters.ts';
import type { Value } from './value.ts';

export interface SpecializeOptions {
  /**
   * Initializers that will be differentiated or fed: they keep their names and are not folded into other constants.
   * `'all'`: every parameter, see `parameterNames`. Default: none.
   */
  parameters?: 'all' | readonly string[];
}

/**
 * Turns a model of any supported operator set into the form that `differentiate` takes: static shapes, canonical
 * operators, functions and constant branches written in place, constants and shape arithmetic folded, and nothing that
 * does nothing (Identity, Dropout, casts to the same type, dead nodes). Names of inputs, outputs, parameters and, where
 * they survive, of nodes and intermediate values stay as they are. The graph passed in is not changed.
 *
 * @param shapes shape of each input by name; may leave out inputs whose shape is declared or follows from the others
 * @throws ShapeError when shapes do not fit; UnsupportedOpError for an operator or form of it that is not supported;
 *   ModelError for an inconsistent graph
 * @example
 * const graph = specialize(parseModel(bytes), { input: [1, 3, 224, 224] });
 */
export function specialize(
  graph: Graph,
  shapes: Readonly<Record<string, readonly number[]>>,
  { parameters = [] }: SpecializeOptions = {},
): Graph {
  const inputs = bindShapes(graph, shapes);
  const variables = new Set(parametersOf(graph, parameters));
  const model = separateCopies(graph, variables);
  const g = new GraphBuilder();
  const expansion = new Expansion(g, model);
  const scope: Scope = { values: new Map(), opsets: graph.opsets, prefix: '', depth: 0 };
  for (const { name, dtype, shape } of inputs) scope.values.set(name, g.input(name, dtype, shape));
  expansion.addInitializers(scope, model.initializers, (name) => variables.has(name));
  expansion.write(model.nodes, scope);
  const outputs = graph.outputs.map(({ name }) => {
    const value = expansion.lookUp(name, scope);
    if (value === undefined) throw new ModelError(`nothing computes the output '${name}'`);
    return { name, value };
  });
  return finish(graph, expansion, outputs, variables);
}

function parametersOf(graph: Graph, parameters: 'all' | readonly string[]): string[] {
  const inputs = new Set(graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)));
  return resolveNames(graph, parameters).filter((name) => !inputs.has(name));
}

interface Output {
  name: string;
  value: Value;
}

/** Names the outputs, drops what they do not need, and gives values the model's names. */
function finish(
  graph: Graph,
  { g, names }: Expansion,
  outputs: readonly Output[],
  variables: ReadonlySet<string>,
): Graph {
  const claimed = new Map<string, string>();
  const results = outputs.map(({ name, value }) => {
    // Inputs, constants and values that are already an output need an Identity to appear under another name.
    const free = g.producer(value) !== undefined && !claimed.has(value.name);
    const result = free ? value : g.op('Identity', [value]);
    claimed.set(result.name, name);
    return { name, dtype: value.dtype, shape: value.shape };
  });
  const nodes = liveNodes(g.graph.nodes, new Set(claimed.keys()));
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const constants = [...g.graph.initializers].filter(([name]) => used.has(name) || variables.has(name));
  const rename = renaming(g, claimed, names, variables);
  const initializers = new Map<string, Tensor>(constants.map(([name, tensor]) => [rename(name), tensor]));
  return {
    ...emptyGraph(graph.name),
    inputs: [...g.graph.inputs],
    outputs: results,
    initializers,
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) })),
    opsets: { '': CANONICAL_OPSET },
    metadata: graph.metadata,
  };
}

function liveNodes(nodes: readonly Node[], needed: Set<string>): Node[] {
  const live: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    live.push(node);
    for (const name of node.inputs) needed.add(name);
  }
  return live.reverse();
}

/** New names of the builder's values: outputs first, then the model's own names, made unique where need be. */
function renaming(
  g: GraphBuilder,
  outputs: ReadonlyMap<string, string>,
  names: ReadonlyMap<string, string>,
  variables: ReadonlySet<string>,
): (name: string) => string {
  const kept = [...g.graph.inputs.map(({ name }) => name), ...variables];
  const taken = new Set([...kept, ...outputs.values()]);
  const renamed = new Map<string, string>([
    ['', ''],
    ...kept.map((name): [string, string] => [name, name]),
    ...outputs,
  ]);
  const copies = new Map<string, number>();
  return (name) => {
    const known = renamed.get(name);
    if (known !== undefined) return known;
    const wanted = names.get(name) ?? name;
    let unique = wanted;
    while (taken.has(unique)) {
      const copy = (copies.get(wanted) ?? 1) + 1;
      copies.set(wanted, copy);
      unique = `${wanted}_${copy}`;
    }
    taken.add(unique);
    renamed.set(name, unique);
    return unique;
  };
}
