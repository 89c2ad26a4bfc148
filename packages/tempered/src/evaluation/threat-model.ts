/** @file What attacks may do to an image: a worst case over attacks means something within one threat model only. */
import { type Attack, normOf } from '../attacks/attack.ts';
import { UsageError } from '../errors.ts';
import type { Norm } from '../optimize/ball.ts';

export interface ThreatModel {
  /** Of a norm ball its norm; else the attack that defines it: "elastic", "jpeg with l2 coefficients". */
  readonly name: string;
  /** Undefined where strength is no distance between images. */
  readonly norm: Norm | undefined;
}

/**
 * The threat model that attacks share.
 *
 * @param attacks under the names that a message should call them by
 * @throws UsageError for no attack, and for attacks of several threat models, also inside of combinators
 * @example threatModelOf({ a: pgd(), b: restarts(square(), 2) }); // { name: 'linf', norm: 'linf' }
 */
export function threatModelOf(attacks: Readonly<Record<string, Attack>>): ThreatModel {
  const [first, ...rest] = Object.entries(attacks).map(([name, attack]) => ({ name, model: modelOf(attack) }));
  if (first === undefined) throw new UsageError('an evaluation needs an attack');
  const other = rest.find(({ model }) => model.name !== first.model.name);
  if (other)
    throw new UsageError(
      `'${first.name}' (${first.model.name}) and '${other.name}' (${other.model.name}) are attacks of different threat models: evaluate them one by one`,
    );
  return first.model;
}

function modelOf(attack: Attack): ThreatModel {
  if ('attack' in attack) return modelOf(attack.attack);
  if ('attacks' in attack) return modelOfAll(attack.attacks);
  if (attack.name === 'auto-attack' && attack.before.length > 0)
    return modelOfAll([...attack.before, { ...attack, before: [] }]);
  const norm = normOf(attack);
  if (norm !== undefined) return { name: norm, norm };
  // ε is a bound on the coefficients, and means something else under each of their norms.
  const name = attack.name === 'jpeg' ? `jpeg with ${attack.coefficientNorm} coefficients` : attack.name;
  return { name, norm };
}

const modelOfAll = (attacks: readonly Attack[]): ThreatModel =>
  threatModelOf(Object.fromEntries(attacks.map((attack, k) => [`${attack.name}, part ${k + 1}`, attack])));
