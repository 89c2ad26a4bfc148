import { describe, expect, it } from 'vitest';
import type { Lead } from '../evaluation/explanations/lead.ts';
import { measured } from './format.ts';
import { renderScoreReport } from './score-report.ts';
import type { MeasuredScore, ScoredMeasure, ScoreResult } from './score-result.ts';
import { scoreFindings } from './score-summary.ts';

const score = (measure: string, value: number, reach = 0.1): MeasuredScore => ({
  ...{ measure, value, lower: value - reach, upper: value + reach },
  ...{ count: 10, undefinedCount: 0 },
});

const lead = (mean: number): Lead => ({
  ...{ mean, standardError: 0.1, lower: mean - 0.2, upper: mean + 0.2 },
  ...{ count: 10, told: mean > 0.2 ? 'better' : 'unknown' },
});

const measure = (name: string, fit: boolean | undefined, more: Partial<ScoredMeasure> = {}): ScoredMeasure => ({
  ...{ name, summary: `what ${name} is`, better: 'higher', ofTruth: true, acrossModels: true, over: 'mean' },
  protocol: `how ${name} was measured`,
  ...(fit !== undefined && {
    control: {
      fit,
      maps: ['the true mask', 'a random map', 'the inverse mask'].map((map, k) => ({
        name: map,
        score: { value: 1 - k / 2, lower: 0.9 - k / 2, upper: 1.1 - k / 2, count: 10, undefinedCount: 0 },
      })),
      leads: [lead(0.5), lead(fit ? 0.5 : 0.1)],
      count: 10,
      verdict: fit
        ? 'fit: the true mask before a random map'
        : 'unfit: it does not tell a random map from the inverse mask',
    },
  }),
  ...more,
});

const row = (model: string, method: string, scores: MeasuredScore[]) => ({
  ...{ model, method, forwards: 10, backwards: 10, seconds: 1 },
  scores,
});

const RESULT: ScoreResult = {
  dataset: { name: 'shapes', split: 'test', count: 10 },
  models: ['plain', '<robust>'].map((name) => ({
    ...{ name, file: `${name}.onnx` },
    accuracy: { correct: 9, count: 10, accuracy: 0.9, lower: 0.55, upper: 1 },
  })),
  methods: ['gradient', 'random'].map((name) => ({ name, settings: name, ranking: 'signed', scale: 'local' })),
  measures: [
    measure('mass', true),
    measure('loss', true, { better: 'lower', acrossModels: false }),
    measure('noise', false),
    measure('sparse', true, { ofTruth: false }),
    measure('other', undefined),
  ],
  rows: [
    row('plain', 'gradient', [
      // The intervals of the loss overlap; its images do not.
      { ...score('mass', 0.3), overRandom: lead(0.1) },
      { ...score('loss', 0.85), overRandom: lead(0.5) },
      { ...score('noise', 0.9), overRandom: lead(0.1) },
      score('other', 1),
      score('sparse', 0.5),
    ]),
    row('plain', 'random', [
      score('mass', 0.3),
      score('loss', 0.9),
      score('noise', 0.1),
      score('other', 1),
      score('sparse', 0.5),
    ]),
    row('<robust>', 'gradient', [score('mass', 0.8), score('loss', 0.1), score('noise', 0.1), score('other', 1)]),
    row('<robust>', 'random', [score('mass', 0.3), score('loss', 0.9)]),
  ],
  protocol: [{ name: 'Images', value: 'the first 10' }],
  versions: { tempered: '0' },
};

describe('findings of scores', () => {
  const texts = scoreFindings(RESULT).map(({ topic, text }) => `${topic}: ${text}`);

  it('say which measures failed their control, and which had none', () => {
    expect(texts[0]).toBe(
      'Controls: 3 of 4 measures tell planted true maps from random ones, and those from wrong ones. Do not go by noise: with these settings it does not.',
    );
    expect(texts[1]).toBe('Controls: Not put to the test: other.');
  });

  it('say of which the pictures do not tell', () => {
    const open = RESULT.measures.map((each) =>
      each.name === 'noise' && each.control ? { ...each, control: { ...each.control, fit: null } } : each,
    );
    const result = { ...RESULT, measures: open };
    expect(scoreFindings(result)[0]!.text).toMatch(/from wrong ones\. Not known of noise: more pictures may tell\.$/);
    const page = renderScoreReport(result);
    expect(page).toContain('The control has no result');
    expect(page).not.toContain('The control failed');
  });

  it('compare models by measures that compare them, where intervals are apart, and not by unfit ones', () => {
    expect(texts[2]).toBe('mass: <robust> scores better than plain by gradient.');
    expect(texts.filter((text) => /^(loss|noise|other): /.test(text))).toEqual([]);
  });

  it('tell what is no better than random, image by image, and what is worse', () => {
    expect(texts.slice(3)).toEqual([
      'Random maps: On plain these are no better than random maps that can be told, image by image: mass (gradient).',
    ]);
  });

  it('tell what is worse than random', () => {
    const rows = RESULT.rows.map((each) => ({
      ...each,
      scores: each.scores.map((own) => ({
        ...own,
        ...(own.overRandom && { overRandom: { ...own.overRandom, told: 'worse' as const } }),
      })),
    }));
    expect(scoreFindings({ ...RESULT, rows }).at(-1)!.text).toBe(
      'On plain these are worse than random maps: mass (gradient); loss (gradient).',
    );
  });
});

describe('the report of scores', () => {
  const page = renderScoreReport(RESULT);

  it('is one page that needs nothing beside it', () => {
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/<script|<link|https?:\/\/(?!www\.w3\.org)/);
    expect(page).not.toContain('<robust>');
    expect(page).toContain('&lt;robust&gt;');
  });

  it('states how each number was measured, and whether the measure is fit', () => {
    for (const { name } of RESULT.measures) expect(page).toContain(`how ${name} was measured`);
    expect(page.match(/The control passed/g)).toHaveLength(3);
    expect(page.match(/The control failed/g)).toHaveLength(1);
    expect(page).toContain('it does not tell a random map from the inverse mask');
    expect(page.match(/<b class="wrong">unfit<\/b>/g)!.length).toBeGreaterThanOrEqual(3);
    expect(page).toContain('[0.700,\u00a00.900]');
  });

  it('does not claim controls that were not asked for', () => {
    const measures = RESULT.measures.map(({ control: _, ...each }) => each);
    const untested = renderScoreReport({ ...RESULT, measures });
    expect(untested).toContain('The measures themselves were not put to the test');
    expect(untested).not.toContain('Each measure was put to the test itself');
    expect(untested).not.toContain('failed their control');
    expect(scoreFindings({ ...RESULT, measures }).map(({ topic }) => topic)).toEqual(['Controls']);
  });

  it.each<[number, number, number[], string, string?]>([
    [10, 10, [5, 5], 'measure'],
    [2, 10, [2], 'method'],
    [1, 3, [1], 'method'],
    [14, 16, [7, 7], 'method'],
    [14, 6, [6], 'measure'],
    [14, 10, [5, 5], 'measure'],
    [14, 10, [2, 2, 2, 2, 2], 'measure', 'integrated-gradients:rule=midpoint,'],
  ])(
    'has no table of all scores wider than the page: %d measures of %d methods',
    (few, many, columns, first, prefix = '') => {
      const measures = Array.from({ length: few }, (_, k) => measure(`measure-${k}`, true));
      const methods = Array.from({ length: many }, (_, k) => ({
        ...RESULT.methods[0]!,
        name: `${prefix}steps=${k + 1}`,
      }));
      const rows = RESULT.models.flatMap(({ name }) =>
        methods.map((method, i) =>
          row(
            name,
            method.name,
            measures.map((each, k) => score(each.name, 1000 + 40 * k + i)),
          ),
        ),
      );
      const page = renderScoreReport({ ...RESULT, measures, methods, rows });
      const [overview] = page.split('<h2>All scores</h2>')[1]!.split('<h2>');
      const headings = overview!
        .split('<thead>')
        .slice(1)
        .map((table) => table.split('</thead>')[0]!);
      const found = headings.map((each) => each.match(/<th /g)!.length - 1);
      expect(found).toEqual(RESULT.models.flatMap(() => columns));
      expect(headings[0]).toContain(`>${first}</th>`);
      for (let k = 0; k < few; k++)
        for (let i = 0; i < many; i++) expect(overview).toContain(`>${measured(1000 + 40 * k + i)}</td>`);
    },
  );

  it('has a figure with a dot for every score', () => {
    const [figure] = page.split('<h2>mass')[1]!.split('for-narrow');
    expect(figure!.match(/<path transform/g) ?? figure!.match(/<circle/g)).not.toBeNull();
  });
});
