import { describe, expect, it } from 'vitest';
import type { ScoreResult } from '../report/score-result.ts';
import { scoreLines } from './score-lines.ts';

function resultOf(models: readonly string[], methods: readonly string[], measure = 'deletion'): ScoreResult {
  const score = { measure, value: 0.25, lower: 0.125, upper: 0.5, count: 9, undefinedCount: 0 };
  return {
    dataset: { name: 'shapes', split: 'test', count: 9 },
    models: models.map((name) => ({
      ...{ name, file: `${name}.onnx` },
      accuracy: { correct: 9, count: 9, accuracy: 1, lower: 0.66, upper: 1 },
    })),
    methods: methods.map((name) => ({ name, settings: name, ranking: 'signed', scale: 'global' })),
    measures: [
      {
        ...{ name: measure, summary: 'how fast', better: 'lower', ofTruth: true, acrossModels: false, over: 'mean' },
        protocol: 'as it was',
      },
    ],
    rows: models.flatMap((model) =>
      methods.map((method) => ({ model, method, forwards: 1, backwards: 1, seconds: 1, scores: [score] })),
    ),
    protocol: [],
    versions: {},
  };
}

describe('scores in the terminal', () => {
  it('stand in one table where there is room', () => {
    expect(scoreLines(resultOf(['plain', 'robust'], ['ig']))).toEqual([
      'deletion, lower is better (no control)',
      'method  plain    95% interval  robust    95% interval',
      'ig      0.250  [0.125, 0.500]   0.250  [0.125, 0.500]',
      '',
      'Controls: Not put to the test: deletion.',
    ]);
  });

  it.each([
    ['many models', ['one', 'two', 'three', 'four', 'five'], ['gradient', 'ig']],
    ['long methods', ['one'], ['ig', `lime:samples=1000,${'kernelWidth=0.25,'.repeat(6)}baseline=black`]],
    [
      'both',
      ['a-model-of-a-long-name-with-many-words', 'two'],
      [`smoothgrad:samples=50,${'sigma=0.15,'.repeat(4)}clip=yes`],
    ],
  ])('keep to 80 columns and lose nothing: %s', (_, models, methods) => {
    const lines = scoreLines(
      resultOf(models, methods, `infidelity:samples=100,${'scaling=positive,'.repeat(5)}of=logit`),
    );
    expect(lines.filter((line) => [...line].length > 80)).toEqual([]);
    const text = lines.join('').replaceAll(/\s/g, '');
    for (const name of [...models, ...methods]) expect(text).toContain(name);
    expect(text.match(/0\.250\[0\.125,0\.500\]/g)).toHaveLength(models.length * methods.length);
  });
});
