/** @file The training form of a model: which initializers are trained, and batch normalisation with batch statistics. */
import {
  type DataType,
  type Graph,
  type GraphBuilder,
  type Node,
  parameterNames,
  specialize,
  type Value,
} from 'onnx-grad';
import type { AppliedModel, ModelDescription } from '../models/classifier.ts';
import { frozenNames } from '../models/frozen.ts';
import { isPreprocessing } from '../models/load.ts';
import { graphInProgram, inProgram, keysInProgram } from '../models/namespace.ts';

export interface TrainingForm {
  readonly graph: Graph;
  /** Trained by gradient descent. */
  readonly trainable: readonly string[];
  /** Running statistics: their next value is an output of the training form, by name of the statistic. */
  readonly statistics: Readonly<Record<string, string>>;
}

/**
 * Rewrites every BatchNormalization to normalise by the statistics of the batch and to return the running ones, unless
 * it is frozen. What comes out can be run where `graph` is specialised: the attribute is that of today's operator set.
 */
export function trainingForm(graph: Graph): TrainingForm {
  const statistics: Record<string, string> = {};
  const frozen = frozenNames(graph);
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== 'BatchNormalization' || node.domain !== '' || frozen.has(node.inputs[1]!)) return node;
    const running = [node.inputs[3]!, node.inputs[4]!];
    const next = running.map((name) => `${name}_next`);
    running.forEach((name, i) => {
      statistics[name] = next[i]!;
    });
    return {
      ...node,
      outputs: [node.outputs[0]!, ...next],
      attributes: { ...node.attributes, training_mode: { kind: 'int', value: 1 } },
    };
  });
  const trainable = parameterNames(graph).filter(
    (name) => graph.initializers.has(name) && !(name in statistics) && !frozen.has(name) && !isPreprocessing(name),
  );
  return { graph: { ...graph, nodes }, trainable, statistics };
}

/** How batch normalisation works in a pass: by running statistics, or by those of the batch. */
export type Mode = 'evaluation' | 'training';

export interface PassOptions {
  readonly mode: Mode;
  /** Values in place of the parameters of that name. */
  readonly weights?: Readonly<Record<string, Value>>;
  /** Whether a pass in training mode moves the running statistics. Default: false. */
  readonly moveStatistics?: boolean;
}

/** A model whose parameters are inputs of the graph it is written into. */
export interface TrainedModel {
  readonly parameters: Readonly<Record<string, Value>>;
  /** Running statistics after every pass so far that moves them, by initializer name. */
  readonly statistics: Readonly<Record<string, Value>>;
  /** Writes the model applied to `x`, [n, C, H, W] with any n. */
  apply(x: Value, options: PassOptions): AppliedModel;
}

/** Declares the parameters, of the shapes given, as inputs of `g`, and returns the model to be written into it. */
export function trainedModel(
  g: GraphBuilder,
  model: ModelDescription,
  shapes: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>,
): TrainedModel {
  const parameters = Object.fromEntries(
    Object.entries(shapes).map(([name, { dtype, shape }]) => [
      name,
      g.input(inProgram(name), dtype as DataType, shape),
    ]),
  );
  const statistics: Record<string, Value> = {};
  const graphs = new Map<number, Graph>();
  const graphFor = (batch: number): Graph => {
    const shape = { [model.input]: [batch, ...model.inputShape] };
    const graph = graphs.get(batch) ?? specialize(model.graph, shape, { parameters: Object.keys(parameters) });
    graphs.set(batch, graph);
    return graph;
  };
  return {
    parameters,
    statistics,
    apply(x, { mode, weights, moveStatistics = false }) {
      const batch = x.shape[0]!;
      const plain = graphFor(batch);
      const form = mode === 'training' ? trainingForm(plain) : undefined;
      const values = g.append(graphInProgram(form?.graph ?? plain), {
        [inProgram(model.input)]: x,
        // Passes one after the other: each moves the statistics on from where the last one left them.
        ...keysInProgram({ ...parameters, ...weights, ...(form && statistics) }),
      });
      if (form && moveStatistics)
        for (const [name, next] of Object.entries(form.statistics)) statistics[name] = values.get(inProgram(next))!;
      return {
        logits: g.reshape(values.get(inProgram(model.logits))!, [batch, model.classes.length]),
        value(name) {
          const value = values.get(inProgram(name));
          if (value === undefined) throw new TypeError(`the model has no value named '${name}'`);
          return value;
        },
      };
    },
  };
}
