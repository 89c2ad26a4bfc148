import type { ModelDescription } from './classifier.ts';

/**
 * The model with softplus, log(1 + eˣ), in place of every ReLU: smooth, so that gradients of gradients and integrals of
 * gradients have no corners. Its predictions differ somewhat.
 *
 * @example
 * const smooth = new Classifier(withSoftplus(classifier.description), runtime);
 */
export const withSoftplus = (model: ModelDescription): ModelDescription => ({
  ...model,
  graph: {
    ...model.graph,
    nodes: model.graph.nodes.map((node) =>
      node.op === 'Relu' && node.domain === '' ? { ...node, op: 'Softplus' } : node,
    ),
  },
});
