import { describe, expect, it } from 'vitest';
import type { Attack } from '../attacks/attack.ts';
import { autoAttack } from '../attacks/auto-attack.ts';
import { pgd } from '../attacks/pgd.ts';
import { restarts } from '../attacks/restarts.ts';
import { square } from '../attacks/square.ts';
import { targeted } from '../attacks/targeted.ts';
import { elastic } from '../attacks/unforeseen/elastic.ts';
import { fog } from '../attacks/unforeseen/fog.ts';
import { jpeg } from '../attacks/unforeseen/jpeg.ts';
import { worstCase } from '../attacks/worst-case.ts';
import { threatModelOf } from './threat-model.ts';

describe('threatModelOf', () => {
  it.each<[string, Attack[], string, string | undefined]>([
    ['attacks in one ball', [pgd(), restarts(square(), 2)], 'linf', 'linf'],
    ['a combinator', [worstCase([pgd({ norm: 'l2' }), targeted(pgd({ norm: 'l2' }), 'all')])], 'l2', 'l2'],
    [
      'a wrapped attack without a norm',
      [restarts(elastic(), 2), targeted(elastic({ aim: 'away' }), 'all')],
      'elastic',
      undefined,
    ],
    ['JPEG', [jpeg({ coefficientNorm: 'l2' })], 'jpeg with l2 coefficients', undefined],
  ])('of %s', (_, attacks, name, norm) => {
    expect(threatModelOf(Object.fromEntries(attacks.map((attack, k) => [String(k), attack])))).toEqual({ name, norm });
  });

  it.each<[string, Record<string, Attack>, RegExp]>([
    ['nothing', {}, /needs an attack/],
    ['two norms', { a: pgd(), b: pgd({ norm: 'l2' }) }, /'a' \(linf\) and 'b' \(l2\)/],
    [
      'two unforeseen attacks in wrappers of one name',
      { a: restarts(elastic(), 2), b: restarts(fog(), 2) },
      /elastic.*fog/,
    ],
    ['a mixture', { a: worstCase([pgd(), elastic()]) }, /'pgd, part 1' \(linf\) and 'elastic, part 2'/],
    ['JPEG in two norms', { a: jpeg(), b: jpeg({ coefficientNorm: 'l1' }) }, /different threat models/],
    ['AutoAttack after another norm', { a: autoAttack({ before: [pgd({ norm: 'l2' })] }) }, /different threat models/],
  ])('refuses %s', (_, attacks, message) => {
    expect(() => threatModelOf(attacks)).toThrow(message);
  });
});
