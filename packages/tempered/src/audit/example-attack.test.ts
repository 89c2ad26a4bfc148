import { expect, it } from 'vitest';
import type { Attack } from '../attacks/attack.ts';
import { fab } from '../attacks/fab.ts';
import { fgsm } from '../attacks/fgsm.ts';
import { pgd } from '../attacks/pgd.ts';
import { square } from '../attacks/square.ts';
import { proportion } from '../evaluation/accuracy.ts';
import { auditAttacks } from './attacks.ts';
import { exampleAttackOf } from './example-attack.ts';

const cost = { zeroGradients: 0, forwards: 0, gradients: 0, seconds: 0, medianDistance: null };
const at = (left: Record<string, number>) => ({
  byAttack: Object.fromEntries(
    Object.entries(left).map(([name, correct]) => [name, { ...proportion(correct, 10), ...cost }]),
  ),
});

it.each<[string, Record<string, Attack>, Record<string, number>, string]>([
  ['many steps, though one does as well', { fgsm: fgsm(), pgd: pgd() }, { fgsm: 3, pgd: 3 }, 'pgd'],
  ['the strongest', { a: pgd(), b: pgd({ loss: 'margin' }) }, { a: 4, b: 2 }, 'b'],
  ['one inside the ball', { fab: fab(), pgd: pgd() }, { fab: 0, pgd: 5 }, 'pgd'],
  ['one with gradients', { square: square(), pgd: pgd() }, { square: 0, pgd: 5 }, 'pgd'],
  ['what there is', { square: square(), fgsm: fgsm() }, { square: 4, fgsm: 3 }, 'fgsm'],
])('pictures show %s', (_, attacks, left, name) => {
  expect(exampleAttackOf(attacks, at(left))).toBe(name);
});

it('pictures show PGD where nothing was measured', () => {
  expect(exampleAttackOf(auditAttacks('quick', 'linf'), undefined)).toBe('PGD-20');
});
