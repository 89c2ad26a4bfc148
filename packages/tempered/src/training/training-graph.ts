/** @file The training form of a model: which initializers are trained, and batch normalisation with batch statistics. */
import { type Graph, type Node, parameterNames } from 'onnx-grad';
import { isPreprocessing } from '../models/load.ts';

export interface TrainingForm {
  readonly graph: Graph;
  /** Trained by gradient descent. */
  readonly trainable: readonly string[];
  /** Running statistics: their next value is an output of the training form, by name of the statistic. */
  readonly statistics: Readonly<Record<string, string>>;
}

/**
 * Rewrites every BatchNormalization to normalise by the statistics of the batch and to return the running ones. What
 * comes out can be run where `graph` is specialised: the attribute is that of today's operator set.
 */
export function trainingForm(graph: Graph): TrainingForm {
  const statistics: Record<string, string> = {};
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== 'BatchNormalization' || node.domain !== '') return node;
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
    (name) => graph.initializers.has(name) && !(name in statistics) && !isPreprocessing(name),
  );
  return { graph: { ...graph, nodes }, trainable, statistics };
}
