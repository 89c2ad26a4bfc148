import { expect, it } from 'vitest';
import type { EpochRecord } from './checkpoint.ts';
import { findingsOf } from './findings.ts';

type Accuracies = Partial<Pick<EpochRecord, 'naturalAccuracy' | 'robustAccuracy' | 'trainingRobustAccuracy'>>;

const history = (...epochs: Accuracies[]): EpochRecord[] =>
  epochs.map((accuracies, i) => ({
    epoch: i + 1,
    loss: 1,
    trainingAccuracy: 0.1,
    learningRate: 0.1,
    seconds: 1,
    ...accuracies,
  }));

const watched = { epochs: 4, classes: 10, trainingImages: 50_000, validationImages: 5000 };
const named = (records: EpochRecord[], over = {}) =>
  findingsOf(records, { ...watched, ...over }).map(({ name }) => name);

it('reports over-fitting to the one step as soon as it shows, and robust over-fitting at the end', () => {
  const epochs = [
    { naturalAccuracy: 0.5, robustAccuracy: 0.3, trainingRobustAccuracy: 0.32 },
    { naturalAccuracy: 0.6, robustAccuracy: 0.4, trainingRobustAccuracy: 0.41 },
    { naturalAccuracy: 0.8, robustAccuracy: 0, trainingRobustAccuracy: 0.01 },
    { naturalAccuracy: 0.8, robustAccuracy: 0, trainingRobustAccuracy: 0 },
  ];
  expect(named(history(...epochs.slice(0, 2)))).toEqual([]);
  expect(named(history(...epochs.slice(0, 3)))).toEqual(['catastrophic-overfitting']);
  expect(named(history(...epochs))).toEqual(['catastrophic-overfitting', 'robust-overfitting']);
});

it('goes by unchanged images where it can: adversarial ones may be beyond a model that learns', () => {
  expect(named(history({ naturalAccuracy: 0.3 }, { naturalAccuracy: 0.4 }, { naturalAccuracy: 0.5 }))).toEqual([]);
  expect(named(history({ naturalAccuracy: 0.1 }, { naturalAccuracy: 0.1 }))).toEqual([]);
  expect(named(history({ naturalAccuracy: 0.1 }, { naturalAccuracy: 0.1 }, { naturalAccuracy: 0.1 }))).toEqual([
    'chance-level',
  ]);
  expect(named(history({}), { epochs: 1, validationImages: 0 })).toEqual(['chance-level']);
});
