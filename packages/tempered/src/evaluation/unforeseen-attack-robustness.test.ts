import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromArrays } from '../data/dataset.ts';
import { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { networkModel, noiseImages } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import {
  type CalibratedAttack,
  type CalibrationName,
  calibratedAttack,
  calibratedEpsilons,
  evaluateUnforeseen,
  unforeseenAttackRobustness,
  unforeseenCalibrations,
} from './unforeseen-attack-robustness.ts';

const ALL = Object.entries(unforeseenCalibrations).flatMap(([calibration, attacks]) =>
  Object.entries(attacks).map(([attack, table]) => ({
    calibration: calibration as CalibrationName,
    attack: attack as CalibratedAttack,
    ...table,
  })),
);

describe('the calibrations', () => {
  it('are 10 attacks on ImageNet-100 and 7 on CIFAR-10', () => {
    expect(ALL.map(({ calibration }) => calibration).filter((name) => name === 'cifar10')).toHaveLength(7);
    expect(ALL).toHaveLength(17);
  });

  it.each(ALL)('$attack on $calibration: six growing strengths, no accuracy rises', ({ epsilons, ata, ...which }) => {
    expect([epsilons.length, ata.length]).toEqual([6, 6]);
    for (let k = 1; k < 6; k++) {
      expect(epsilons[k]).toBeGreaterThan(epsilons[k - 1]!);
      expect(ata[k]).toBeLessThanOrEqual(ata[k - 1]!);
    }
    // The models that set the scale have UAR 1; half their accuracies, UAR 1/2.
    expect(unforeseenAttackRobustness({ ...which, accuracies: ata.map((percent) => percent / 100) })).toBeCloseTo(
      1,
      12,
    );
    expect(unforeseenAttackRobustness({ ...which, accuracies: ata.map((percent) => percent / 200) })).toBeCloseTo(
      0.5,
      12,
    );
  });

  it('are in the units of our attacks: l1 budgets a coordinate are those of the published configuration files', () => {
    const perCoordinate = (calibration: CalibrationName, size: number) =>
      (255 * calibratedEpsilons('l1', calibration)[0]!) / size;
    expect(perCoordinate('imagenet100', 3 * 224 * 224)).toBeCloseTo(0.063526, 6);
    expect(perCoordinate('cifar10', 3 * 32 * 32)).toBeCloseTo(0.0634766, 7);
    expect(calibratedEpsilons('linf', 'cifar10')[3]).toBeCloseTo(8 / 255, 12);
    expect(calibratedEpsilons('elastic', 'cifar10')[3]).toBe(1);
    expect(calibratedAttack('jpeg-l2')).toMatchObject({ name: 'jpeg', coefficientNorm: 'l2', steps: 200 });
  });

  it('refuse what they do not hold', () => {
    expect(() => calibratedEpsilons('fog', 'cifar10')).toThrow(
      "there is no calibration of 'fog' for cifar10: choose from linf, l2, l1, jpeg-linf, jpeg-l2, jpeg-l1, elastic",
    );
    const two = { accuracies: [1, 0], attack: 'l2', calibration: 'cifar10' } as const;
    expect(() => unforeseenAttackRobustness(two)).toThrow('UAR needs 6 accuracies in [0, 1]');
  });
});

describe('evaluateUnforeseen', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => runtime.close());

  it.each(['linf', 'l1', 'jpeg-linf', 'elastic'] as const)('measures at the six strengths of %s', async (attack) => {
    const shape = [3, 16, 16] as const;
    const network = networkModel({ inputShape: shape, classes: 4, activation: 'Tanh', bias: true });
    const classifier = new Classifier(network, runtime);
    const images = noiseImages(6, shape);
    const labels = await predict(classifier, images);
    const dataset = fromArrays({
      name: 'noise',
      split: 'test',
      classes: classifier.classes,
      imageShape: shape,
      pixels: images.data,
      labels,
    });
    const { uar, underAttack } = await evaluateUnforeseen(classifier, {
      dataset,
      attack,
      calibration: 'cifar10',
      steps: 4,
    });
    expect(underAttack.map(({ epsilon }) => epsilon)).toEqual(calibratedEpsilons(attack, 'cifar10'));
    const { ata } = unforeseenCalibrations.cifar10[attack]!;
    const total = underAttack.reduce((sum, { accuracy }) => sum + accuracy, 0);
    expect(uar).toBeCloseTo(total / (ata.reduce((a, b) => a + b) / 100), 10);
    expect(underAttack[0]!.accuracy).toBeGreaterThanOrEqual(underAttack[5]!.accuracy);
  });
});
