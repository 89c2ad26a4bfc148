import { expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { autoAttack } from './auto-attack.ts';
import { autoPgd } from './auto-pgd.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { fgsmRs, rFgsm } from './fgsm.ts';
import { hopSkipJump } from './hop-skip-jump.ts';
import { miFgsm, niFgsm } from './momentum.ts';
import { nes } from './nes.ts';
import { noise } from './noise.ts';
import { bim, pgd } from './pgd.ts';
import { restarts } from './restarts.ts';
import { spatial } from './spatial.ts';
import { square } from './square.ts';
import { fog } from './unforeseen/fog.ts';
import { snow } from './unforeseen/snow.ts';

it.each<[string, () => unknown]>([
  ['PGD: steps must be a whole number, 0 or more, not -3', () => pgd({ steps: -3 })],
  ['PGD: steps must be a whole number, 0 or more, not 2.5', () => pgd({ steps: 2.5, stepSize: -1 })],
  ['PGD: steps must be a whole number, 1 or more, not 0', () => pgd({ steps: 0, keep: 'before-last' })],
  ['PGD: steps must be a whole number, 1 or more, not 0', () => bim({ steps: 0 })],
  ['PGD: the step size must be 0 or more, not -1', () => pgd({ stepSize: -1 })],
  ['PGD: the step size must be 0 or more, not NaN', () => pgd({ stepSize: { relative: Number.NaN } })],
  ['PGD: the random start must be 0 or more, not -1', () => pgd({ randomStart: { box: -1 } })],
  ['R+FGSM: share must be above 0 and at most 1, not 2', () => rFgsm({ share: 2 })],
  ['FGSM-RS: relativeStep must be 0 or more, not -1', () => fgsmRs({ relativeStep: -1 })],
  ['MI-FGSM: steps must be a whole number, 1 or more, not 0', () => miFgsm({ steps: 0 })],
  ['MI-FGSM: decay must be 0 or more, not NaN', () => miFgsm({ decay: Number.NaN })],
  ['NI-FGSM: stepSize must be 0 or more, not -1', () => niFgsm({ stepSize: -1 })],
  ['AutoPGD: targets must be a whole number, 1 or more, not 0', () => autoPgd({ targets: 0 })],
  ['AutoPGD: radii must be above 0, not 0', () => autoPgd({ radii: [{ factor: 0, share: 1 }] })],
  ['AutoAttack: queries must be a whole number, 1 or more, not 0.5', () => autoAttack({ queries: 0.5 })],
  ['Carlini-Wagner: confidence must be 0 or more, not NaN', () => carliniWagner({ confidence: Number.NaN })],
  ['NES: samples must be a whole number, 1 or more, not 0', () => nes({ samples: 0 })],
  ['NES: sigma must be above 0, not 0', () => nes({ sigma: 0 })],
  ['NES: stepSize must be 0 or more, not -1', () => nes({ stepSize: -1 })],
  ['NES: momentum must be at least 0 and below 1, not 1', () => nes({ momentum: 1 })],
  ['Square: queries must be a whole number, 1 or more, not 0', () => square({ queries: 0 })],
  ['Square: share must be above 0 and at most 1, not 0', () => square({ share: 0 })],
  ['HopSkipJump: starts must be a whole number, 1 or more, not 0', () => hopSkipJump({ starts: 0 })],
  ['noise: draws must be a whole number, 1 or more, not 0', () => noise({ draws: 0 })],
  ['restarts: restarts must be a whole number, 1 or more, not 0', () => restarts(pgd(), 0)],
  ['spatial attack: smoothness must be 0 or more, not -1', () => spatial({ smoothness: -1 })],
  ['unforeseen attack: stepSize must be 0 or more, not Infinity', () => fog({ stepSize: Infinity })],
  ['snow: budget must be above 0, not 0', () => snow({ budget: 0 })],
])('%s', (message, make) => {
  expect(make).toThrow(new UsageError(message));
});

it('no steps are legal where they leave a random start', () => {
  expect(pgd({ steps: 0 }).steps).toBe(0);
  expect(fog({ steps: 0 }).steps).toBe(0);
});
