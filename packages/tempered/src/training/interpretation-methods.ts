/**
 * @file The ten training methods of Boopathy et al. 2020 ("Proper Network Interpretability Helps Adversarial Robustness in
 * Classification"), as implemented there: a table of losses and of what their attacks raise. C is the cross-entropy, D
 * the discrepancy of class activation maps with λ = 0.01, P the norm of the path gradient.
 */
import { type Pgd, pgd } from '../attacks/pgd.ts';
import type { AttackingOptions, TrainingMethod } from './method.ts';
import type { Term } from './objectives/terms.ts';

export type InterpretationMethodName =
  | 'normal'
  | 'adv'
  | 'trades'
  | 'int'
  | 'int-adv'
  | 'int-one-class'
  | 'int2'
  | 'int2-adv'
  | 'ig-norm'
  | 'ig-norm-sum';

export interface InterpretationOptions extends Omit<AttackingOptions, 'attack' | 'warmup'> {
  /** Default: 40 sign steps of 0.01 from a uniformly random start, their MNIST setting. */
  attack?: Pgd;
  /** Weight of the discrepancy. Default 0.01, which belongs to the form of the code. */
  lambda?: number;
  /** How λ grows. Default: it has its full value all along, as published. */
  lambdaRamp?: Term['ramp'];
  /** The discrepancy as in the code (default), or with the factors of the paper. */
  form?: 'code' | 'paper';
}

/**
 * One of the ten methods. Each loss is the mean over the batch; the published TRADES and IG-Norm sum where others
 * average, which scales the whole loss and leaves Adam's steps as they are.
 *
 * @example
 * interpretationMethod('int2-adv', { epsilon: 0.3, ramp: ramp({ from: 2000, until: 10_000 }) });
 */
export function interpretationMethod(
  name: InterpretationMethodName,
  {
    attack = pgd({ steps: 40, stepSize: 0.01 }),
    lambda = 0.01,
    lambdaRamp,
    form = 'code',
    ...options
  }: InterpretationOptions,
): TrainingMethod {
  const discrepancy = (classes: 'all' | 'true'): Term => ({
    name: 'discrepancy',
    classes,
    form,
    weight: lambda,
    ...(lambdaRamp && { ramp: lambdaRamp }),
  });
  const C: Term = { name: 'cross-entropy', at: 'clean' };
  const Cx: Term = { name: 'cross-entropy', at: 'adversarial' };
  const KL: Term = { name: 'divergence' };
  const D = discrepancy('all');
  const D1 = discrepancy('true');
  const P: Term = { name: 'path-gradient', steps: 5, of: 'batch mean' };
  const [loss, objective] = (
    {
      normal: [[C], []],
      adv: [[Cx], [Cx]],
      trades: [[C, KL], [KL]],
      int: [[C, D], [D]],
      'int-adv': [
        [Cx, D],
        [Cx, D],
      ],
      'int-one-class': [[C, D1], [D1]],
      int2: [[C, D], [Cx]],
      'int2-adv': [[Cx, D], [Cx]],
      'ig-norm': [[C, P], [P]],
      'ig-norm-sum': [
        [Cx, P],
        [Cx, P],
      ],
    } as const satisfies Record<InterpretationMethodName, readonly [readonly Term[], readonly Term[]]>
  )[name];
  return objective.length === 0 ? { name, loss } : { name, loss, inner: { ...options, attack, objective } };
}
