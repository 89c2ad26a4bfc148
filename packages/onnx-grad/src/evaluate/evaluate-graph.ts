import { UnsupportedOpError } from '../errors.ts';
import { describeNode, type Graph } from '../graph.ts';
import { operators } from '../operators/index.ts';
import { readAttributes } from '../operators/operator.ts';
import { type NumericArray, toNumeric } from './array.ts';

/**
 * Runs a specialised graph in double precision, one plain loop per operator: the slow reference that compiled results
 * are tested against. Returns every named value.
 */
export function evaluateGraph(graph: Graph, feeds: Record<string, NumericArray>): Map<string, NumericArray> {
  const values = new Map<string, NumericArray>();
  for (const [name, tensor] of graph.initializers) values.set(name, toNumeric(tensor));
  for (const [name, array] of Object.entries(feeds)) values.set(name, array);
  for (const node of graph.nodes) {
    const operator = operators[node.op];
    if (operator?.evaluate === undefined)
      throw new UnsupportedOpError(node.op, `cannot evaluate ${describeNode(node)}`);
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)!));
    const outputs = operator.evaluate({
      attributes: readAttributes(operator.attributes, node),
      inputs,
      outputCount: node.outputs.length,
    });
    node.outputs.forEach((name, i) => {
      if (name !== '') values.set(name, outputs[i]!);
    });
  }
  return values;
}
