/** @file Which operators can be read and differentiated: from the tables themselves, so that it cannot go stale. */
import { lowerings, versionsOf } from './canonical/index.ts';
import { NEWEST_OPSET, OLDEST_OPSET, sinceVersions } from './canonical/since-versions.ts';
import { operators } from './operators/index.ts';
import { rules } from './rules/index.ts';
import { zeroGradient } from './rules/rule.ts';

export interface OperatorSupport {
  /** '' is the standard domain `ai.onnx`. */
  domain: string;
  name: string;
  /** The versions of the operator, by the operator set that introduced them, which `specialize` accepts. */
  sinceVersions: readonly number[];
  /**
   * - `differentiable`: to any order, because every operator of a gradient has a gradient.
   * - `zero`: the gradient is zero wherever it exists (comparisons, rounding, positions).
   * - `removed`: specialisation leaves nothing of it, or replaces it by differentiable operators.
   * - `none`: can be computed, not differentiated.
   */
  gradient: 'differentiable' | 'zero' | 'removed' | 'none';
}

/**
 * Every operator that `specialize` reads in models of operator sets 7 to 26, sorted by domain and name.
 *
 * @example
 * supportedOperators().find(({ name }) => name === 'Conv');
 * // { domain: '', name: 'Conv', sinceVersions: [1, 11, 22], gradient: 'differentiable' }
 */
export function supportedOperators(): OperatorSupport[] {
  const names = new Set([...Object.keys(sinceVersions), ...Object.keys(operators), ...Object.keys(lowerings), 'If']);
  return [...names]
    .flatMap((key): OperatorSupport[] => {
      const versions = key === 'If' ? sinceVersions.If : versionsOf(key);
      if (versions === undefined) return [];
      const [name, domain = ''] = key.split(':').reverse() as [string, string?];
      return [
        {
          domain,
          name,
          sinceVersions: versions.filter((version) => version <= NEWEST_OPSET),
          gradient: gradientOf(key),
        },
      ];
    })
    .sort((a, b) => compare(a.domain, b.domain) || compare(a.name, b.name));
}

export { NEWEST_OPSET, OLDEST_OPSET };

const compare = (a: string, b: string): number => Number(a > b) - Number(a < b);

function gradientOf(key: string): OperatorSupport['gradient'] {
  const rule = rules[key];
  if (rule === zeroGradient) return 'zero';
  if (rule !== undefined) return 'differentiable';
  return key in operators ? 'none' : 'removed';
}
