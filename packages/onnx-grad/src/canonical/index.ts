/** @file Writes a node of any supported operator set version with operators of the canonical one. */
import { assemble } from '../assemble.ts';
import { UnsupportedOpError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import { operators } from '../operators/index.ts';
import type { Value } from '../value.ts';
import { attributesToInputs } from './attributes-to-inputs.ts';
import { changedMeaning } from './changed-meaning.ts';
import { copyNode, type Lowering, type LoweringContext } from './lowering.ts';
import { sinceVersions } from './since-versions.ts';
import { staticLowerings } from './static.ts';

export const lowerings: Readonly<Record<string, Lowering>> = assemble(
  [staticLowerings, attributesToInputs, changedMeaning],
  'lowering',
);

/** Whether nodes of this operator can be read at all. */
export const isReadable = (op: string): boolean => op in sinceVersions && (op in lowerings || op in operators);

/**
 * The outputs of a node, written in the canonical operator set.
 *
 * @throws UnsupportedOpError for an unknown operator, a version that lacks it, or an unsupported form of it
 */
export function lower(context: LoweringContext): (Value | undefined)[] {
  const { node, version } = context;
  const where = `(domain ${node.domain || 'ai.onnx'}, operator set ${version})`;
  if (node.domain !== '') {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} ${where} is not supported: export the model without runtime-specific operators`,
    );
  }
  const first = sinceVersions[node.op]?.[0];
  if (first !== undefined && first > version) {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} does not exist in operator set ${version}, which the model declares: it came with ${first}`,
    );
  }
  if (!isReadable(node.op)) {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} ${where} is not supported: see the table of operators`,
    );
  }
  return (lowerings[node.op] ?? copyNode)(context);
}
