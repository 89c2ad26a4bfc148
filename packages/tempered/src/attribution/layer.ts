import { UsageError } from '../errors.ts';
import type { ModelDescription } from '../models/classifier.ts';

/**
 * The value of the ONNX file that `name` means: a value, or the first output of a node of that name.
 *
 * @throws UsageError when there is none, with the names that come closest
 */
export function resolveLayer({ graph, name: model }: ModelDescription, name: string): string {
  const values = graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== ''));
  if (values.includes(name)) return name;
  const node = graph.nodes.find((node) => node.name === name);
  if (node?.outputs[0]) return node.outputs[0];
  const similar = values.filter((value) => value.toLowerCase().includes(name.toLowerCase())).slice(0, 5);
  throw new UsageError(
    `'${model}' has no layer '${name}'; ${similar.length > 0 ? `there are ${similar.join(', ')}` : `its layers are ${values.slice(0, 3).join(', ')} ... ${values.at(-1)}`}`,
  );
}
