import { describe, expect, it } from 'vitest';
import { catastrophicOverfitting, chanceLevel, notANumber, robustOverfitting } from './detection.ts';

const series = (...accuracies: number[]) => accuracies.map((accuracy, i) => ({ epoch: i + 1, accuracy }));

describe('a loss', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('of %d is told', (loss) => {
    expect(notANumber(loss, 2, 7)).toMatchObject({ name: 'not-a-number', epoch: 2 });
    expect(notANumber(loss, 2, 7)!.message).toContain(`The loss is ${loss} in epoch 2, batch 7`);
  });

  it('that is a number is none', () => {
    expect(notANumber(1e30, 1, 1)).toBeUndefined();
  });
});

describe('chance level', () => {
  it.each<[string, number[], number | undefined]>([
    ['guessing', [0.1, 0.098, 0.113], 3],
    ['guessing in a short training', [0.1], 1],
    ['guessing after a collapse', [0.5, 0.6, 0.1, 0.1, 0.1], 5],
    ['a slow start', [0.1, 0.1, 0.13], undefined],
    // 0.1 + 2 √(0.09 / 1000) = 0.119
    ['just above', [0.1, 0.1, 0.1195], undefined],
    ['just below', [0.1, 0.1, 0.1185], 3],
    ['no epochs', [], undefined],
  ])('%s', (_, accuracies, epoch) => {
    const finding = chanceLevel(series(...accuracies), { classes: 10, images: 1000 });
    expect(finding?.epoch).toBe(epoch);
    if (finding) expect(finding.message).toContain('guessing among 10 classes');
  });
});

describe('catastrophic over-fitting', () => {
  it.each<[string, number[], number | undefined]>([
    // Fast training on CIFAR-10 at 8/255, Wong et al. 2020, figure 3: robust accuracy falls to 0 within an epoch
    ['a collapse', [0.2, 0.31, 0.38, 0.41, 0.01, 0.0], 5],
    ['by exactly 20 points', [0.3, 0.5, 0.3], 3],
    ['a slow decline', [0.5, 0.4, 0.3, 0.2, 0.1], undefined],
    ['learning', [0.1, 0.5, 0.6], undefined],
    ['a single measurement', [0.4], undefined],
  ])('%s', (_, accuracies, epoch) => {
    expect(catastrophicOverfitting(series(...accuracies))?.epoch).toBe(epoch);
  });

  it('sees a fall in two parts within one epoch', () => {
    const measured = [
      { epoch: 3, accuracy: 0.45 },
      { epoch: 4, accuracy: 0.33 },
      { epoch: 4, accuracy: 0.24 },
    ];
    expect(catastrophicOverfitting(measured)).toMatchObject({ epoch: 4 });
    expect(catastrophicOverfitting(measured)!.message).toContain('fell from 45.0 % to 24.0 %');
  });
});

describe('robust over-fitting', () => {
  it.each<[string, number[], number, number | undefined]>([
    // Source 004: 64.6 % at its best, about 62 % at the end, over 10,000 images
    ['of a published training', [0.5, 0.646, 0.63, 0.62], 10_000, 2],
    ['within the noise of 500 images', [0.5, 0.646, 0.63, 0.62], 500, undefined],
    ['below two points', [0.5, 0.6, 0.585], 100_000, undefined],
    ['that is not there', [0.5, 0.6, 0.7], 10_000, undefined],
    ['without any epoch', [], 10_000, undefined],
  ])('%s', (_, accuracies, images, epoch) => {
    expect(robustOverfitting(series(...accuracies), { images })?.epoch).toBe(epoch);
  });
});
