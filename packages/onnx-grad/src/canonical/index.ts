/** @file Writes a node of any supported operator set version with operators of the canonical one. */
import { assemble } from '../assemble.ts';
import { UnsupportedOpError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import { operators } from '../operators/index.ts';
import type { Value } from '../value.ts';
import { attributesToInputs } from './attributes-to-inputs.ts';
import { changedMeaning } from './changed-meaning.ts';
import { copyNode, type Lowering, type LoweringContext } from './lowering.ts';
import { sinceVersions, versionInForce } from './since-versions.ts';
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
  if (node.domain !== '' || !isReadable(node.op)) {
    const advice =
      node.domain === ''
        ? 'it is not in the support table'
        : 'operators of this domain are not supported: export the model without runtime-specific optimisation';
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} (domain ${node.domain || 'ai.onnx'}, operator set ${version}) is not supported: ${advice}`,
    );
  }
  if (versionInForce(node.op, version) === undefined) {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} does not exist in operator set ${version}, which the model declares: it came with ${sinceVersions[node.op]![0]}`,
    );
  }
  return (lowerings[node.op] ?? copyNode)(context);
}
