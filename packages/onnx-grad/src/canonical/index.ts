/** @file Writes a node of any supported operator set version with operators of the canonical one. */
import { assemble } from '../assemble.ts';
import { UnsupportedOpError } from '../errors.ts';
import { describeNode, operatorName } from '../graph.ts';
import { operators } from '../operators/index.ts';
import type { Value } from '../value.ts';
import { attributesToInputs } from './attributes-to-inputs.ts';
import { changedMeaning } from './changed-meaning.ts';
import { copyNode, type Lowering, type LoweringContext } from './lowering.ts';
import { newer } from './newer.ts';
import { randomLowerings } from './random.ts';
import { sinceVersions } from './since-versions.ts';
import { staticLowerings } from './static.ts';

export const lowerings: Readonly<Record<string, Lowering>> = assemble(
  [staticLowerings, attributesToInputs, changedMeaning, newer, randomLowerings],
  'lowering',
);

/** Operators that ONNX Runtime's own optimiser writes; its domain has never had another version. */
const RUNTIME_DOMAIN = 'com.microsoft:';

/** The operator set versions that introduced or changed an operator; undefined when it cannot be read at all. */
export function versionsOf(name: string): readonly number[] | undefined {
  if (!(name in lowerings) && !(name in operators)) return undefined;
  return name.startsWith(RUNTIME_DOMAIN) ? [1] : sinceVersions[name];
}

/**
 * The outputs of a node, written in the canonical operator set.
 *
 * @throws UnsupportedOpError for an unknown operator, a version that lacks it, or an unsupported form of it
 */
export function lower(context: LoweringContext): (Value | undefined)[] {
  const { node, version } = context;
  const name = operatorName(node);
  const first = (versionsOf(name) ?? sinceVersions[name])?.[0];
  if (first !== undefined && first > version) {
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} does not exist in operator set ${version}, which the model declares: it came with ${first}`,
    );
  }
  if (versionsOf(name) === undefined) {
    const advice =
      node.domain === ''
        ? 'see the table of supported operators'
        : 'export the model without operators of a particular runtime';
    throw new UnsupportedOpError(
      node.op,
      `${describeNode(node)} (domain ${node.domain || 'ai.onnx'}, operator set ${version}) is not supported: ${advice}`,
    );
  }
  return (lowerings[name] ?? copyNode)(context);
}
