/** @file Gradient of Pad. */
import { type PadMode, padCounts, padSources } from '../operators/padding.ts';
import { constantNumbers } from './constants.ts';
import type { Rule, RuleContext } from './rule.ts';
import { selectionAdjoint } from './selection.ts';

function countsOf({ inputs, has }: RuleContext): { before: number[]; after: number[] } {
  return padCounts(
    inputs[0]!.shape.length,
    constantNumbers(inputs[1]!),
    has(3) ? constantNumbers(inputs[3]!) : undefined,
    'Pad',
  );
}

const pad: Rule = (context) => {
  const { g, dy, inputs, attributes, has } = context;
  const mode: PadMode = attributes.mode;
  const { shape } = inputs[0]!;
  const { before, after } = countsOf(context);
  const negated = (counts: readonly number[]) => counts.map((count) => 0 - count);
  return [
    () => {
      // A negative count crops what was added, and restores with zeros what was cropped.
      if (mode === 'constant') {
        const cropped = [...before, ...after].every((count) => count >= 0);
        if (!cropped) return g.pad(dy, negated(before), negated(after));
        const ends = before.map((count, axis) => count + shape[axis]!);
        return g.slice(dy, { starts: before, ends, axes: shape.map((_, axis) => axis) });
      }
      return shape.reduceRight((cotangent, length, axis) => {
        if (before[axis] === 0 && after[axis] === 0) return cotangent;
        return selectionAdjoint(g, cotangent, axis, padSources(mode, length, before[axis]!, after[axis]!), length);
      }, dy);
    },
    undefined,
    has(2)
      ? () => {
          const added = g.op('Pad', [
            g.constant(0, shape, dy),
            g.integers([...before, ...after]),
            g.constant(1, [], dy),
          ]);
          const total = g.reduceSum(
            g.mul(dy, added),
            dy.shape.map((_, axis) => axis),
          );
          return g.reshape(total, inputs[2]!.shape);
        }
      : undefined,
  ];
};

export const padding: Record<string, Rule> = { Pad: pad };
