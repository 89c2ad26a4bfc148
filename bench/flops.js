/** @file Floating-point operations of a model, counted on its specialised graph: two for each multiplication of a product or convolution. */
import { GraphBuilder, specialize } from 'onnx-grad';

/**
 * @param {import('../packages/tempered/dist/models/classifier.js').ModelDescription} model
 * @param {number} batch
 * @returns {number} operations of one forward pass; a gradient by the input costs as many again, by the weights once more
 */
export function forwardFlops(model, batch) {
  const graph = specialize(model.graph, { [model.input]: [batch, ...model.inputShape] });
  const g = new GraphBuilder(graph);
  const size = (/** @type {readonly number[]} */ shape) => shape.reduce((a, b) => a * b, 1);
  return graph.nodes.reduce((total, node) => {
    const [output, weight] = [node.outputs[0] ?? '', node.inputs[1] ?? ''];
    if (node.op === 'Conv') return total + 2 * size(g.value(output).shape) * size(g.value(weight).shape.slice(1));
    if (node.op === 'Gemm' || node.op === 'MatMul') {
      return (
        total + (2 * size(g.value(output).shape) * size(g.value(weight).shape)) / (g.value(output).shape.at(-1) ?? 1)
      );
    }
    return total;
  }, 0);
}
