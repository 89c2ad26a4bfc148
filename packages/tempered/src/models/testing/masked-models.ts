/** @file Variants of a model that predict the same (or nearly so) and mislead gradients: what honesty checks must name. */
import type { Attribute, Graph, Node, Tensor } from 'onnx-grad';
import type { ModelDescription } from '../classifier.ts';

const node = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Record<string, Attribute> = {},
  domain = '',
): Node => ({ name: output, op, domain, inputs, outputs: [output], attributes });

const numbers = (values: Record<string, number>): [string, Tensor][] =>
  Object.entries(values).map(([name, value]) => [name, { dtype: 'float32', shape: [], data: Float32Array.of(value) }]);

/** The nodes and constants that make a new value of an old one. */
interface Insertion {
  nodes: readonly Node[];
  constants?: Record<string, number>;
}

/** `write(from, to)` computes the value `name` anew from what it was. */
function after(graph: Graph, name: string, write: (from: string, to: string) => Insertion): Graph {
  const taken = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  let inner = `${name}.before`;
  while (taken.has(inner)) inner += '.before';
  const { nodes, constants = {} } = write(inner, name);
  return {
    ...graph,
    initializers: new Map([...graph.initializers, ...numbers(constants)]),
    nodes: graph.nodes.flatMap((at) =>
      at.outputs.includes(name)
        ? [{ ...at, outputs: at.outputs.map((output) => (output === name ? inner : output)) }, ...nodes]
        : [at],
    ),
  };
}

/** `write(from, to)` computes what the network reads instead of its input. */
function atInput(model: ModelDescription, write: (from: string, to: string) => Insertion): ModelDescription {
  const to = `${model.input}.changed`;
  const { nodes, constants = {} } = write(model.input, to);
  const { graph } = model;
  const rest = graph.nodes.map((at) => ({
    ...at,
    inputs: at.inputs.map((name) => (name === model.input ? to : name)),
  }));
  const initializers = new Map([...graph.initializers, ...numbers(constants)]);
  return { ...model, graph: { ...graph, initializers, nodes: [...nodes, ...rest] } };
}

const atLogits = (model: ModelDescription, write: (from: string, to: string) => Insertion): ModelDescription => ({
  ...model,
  graph: after(model.graph, model.logits, write),
});

/** Activations rounded to multiples of 1 / `levels`. */
export function roundedActivations(model: ModelDescription, levels = 16): ModelDescription {
  const activations = model.graph.nodes.filter(({ op }) => op === 'Relu').map(({ outputs }) => outputs[0]!);
  const graph = activations.reduce(
    (rewritten, name) =>
      after(rewritten, name, (from, to) => ({
        nodes: [
          node('Mul', [from, 'levels'], `${to}.scaled`),
          node('Round', [`${to}.scaled`], `${to}.rounded`),
          node('Div', [`${to}.rounded`, 'levels'], to),
        ],
        constants: { levels },
      })),
    model.graph,
  );
  return { ...model, graph };
}

export const softmaxOutput = (model: ModelDescription): ModelDescription =>
  atLogits(model, (from, to) => ({
    nodes: [node('Softmax', [from], to, { axis: { kind: 'int', value: 1 } })],
  }));

/** exp(z) / Σ exp(z), with the largest score taken off first on request. */
export const spelledSoftmax = (model: ModelDescription, shifted: boolean): ModelDescription => {
  const axes: Attribute = { kind: 'ints', value: [1] };
  const changed = atLogits(model, (from, to) => ({
    nodes: [
      ...(shifted ? [node('ReduceMax', [from], 'largest', { axes }), node('Sub', [from, 'largest'], 'shifted')] : []),
      node('Exp', [shifted ? 'shifted' : from], 'exponential'),
      node('ReduceSum', ['exponential', 'class_axis'], 'total'),
      node('Div', ['exponential', 'total'], to),
    ],
  }));
  const classAxis: Tensor = { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) };
  // Before operator set 18, the axes of ReduceMax are an attribute.
  const { graph } = changed;
  return {
    ...changed,
    graph: {
      ...graph,
      opsets: { ...graph.opsets, '': 17 },
      initializers: new Map([...graph.initializers, ['class_axis', classAxis]]),
    },
  };
};

/** A softmax inside a function of the model's own. */
export const softmaxFunction = (model: ModelDescription): ModelDescription => {
  const changed = atLogits(model, (from, to) => ({ nodes: [node('Head', [from], to, {}, 'local')] }));
  const head = {
    name: 'Head',
    domain: 'local',
    inputs: ['z'],
    outputs: ['p'],
    attributeNames: [],
    attributeDefaults: {},
    nodes: [node('Softmax', ['z'], 'p', { axis: { kind: 'int', value: 1 } })],
    opsets: { '': 17 },
  };
  const { graph } = changed;
  return { ...changed, graph: { ...graph, opsets: { ...graph.opsets, local: 1 }, functions: [head] } };
};

export const scaledLogits = (model: ModelDescription, factor: number): ModelDescription =>
  atLogits(model, (from, to) => ({ nodes: [node('Mul', [from, 'factor'], to)], constants: { factor } }));

/** x + amplitude · sin(frequency · x): its slope is up to 1 + amplitude · frequency. */
export const wavyInput = (model: ModelDescription, amplitude: number, frequency: number): ModelDescription =>
  atInput(model, (from, to) => ({
    nodes: [
      node('Mul', [from, 'frequency'], 'phase'),
      node('Sin', ['phase'], 'wave'),
      node('Mul', ['wave', 'amplitude'], 'small_wave'),
      node('Add', [from, 'small_wave'], to),
    ],
    constants: { amplitude, frequency },
  }));

/** Gaussian noise on the input, drawn anew for each run. */
export const noisyInput = (model: ModelDescription, deviation: number): ModelDescription =>
  atInput(model, (from, to) => ({
    nodes: [
      node('RandomNormalLike', [from], 'noise', { scale: { kind: 'float', value: deviation } }),
      node('Add', [from, 'noise'], to),
    ],
  }));
