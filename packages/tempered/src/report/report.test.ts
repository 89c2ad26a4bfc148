import { JSDOM } from 'jsdom';
import { beforeAll, describe, expect, it } from 'vitest';
import { dataUri } from './data-uri.ts';
import { escapeHtml, html, markup } from './html.ts';
import { renderStudyReport } from './study-report.ts';
import type { StudyResult } from './study-result.ts';
import { sampleStudy } from './testing/sample-study.ts';

describe('html', () => {
  it('escapes values, and only values', () => {
    expect(html`<p title="${`"'`}">${'<b> & co'}</p>`.markup).toBe('<p title="&quot;&#39;">&lt;b&gt; &amp; co</p>');
    expect(escapeHtml('a < b')).toBe('a &lt; b');
  });

  it('takes nested templates, lists and nothing', () => {
    const item = (text: string) => html`<li>${text}</li>`;
    expect(html`${[item('1'), item('<2>')]}${markup('<hr>')}${undefined}${null}${false}${0}`.markup).toBe(
      '<li>1</li><li>&lt;2&gt;</li><hr>0',
    );
  });
});

it('writes data URIs that decode to the same bytes', async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const response = await fetch(dataUri(bytes, 'image/png'));
  expect(response.headers.get('content-type')).toBe('image/png');
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
});

describe('study report', () => {
  let sample: StudyResult;
  let page: string;
  let document: Document;
  beforeAll(async () => {
    sample = await sampleStudy();
    page = renderStudyReport(sample);
    document = new JSDOM(page).window.document;
  });

  const texts = (selector: string) => [...document.querySelectorAll(selector)].map((each) => each.textContent);

  it('needs nothing beside itself', () => {
    expect(document.querySelectorAll('script, link, iframe')).toHaveLength(0);
    for (const element of document.querySelectorAll('[src], [srcset], [href]'))
      for (const name of ['src', 'srcset', 'href']) expect(element.getAttribute(name) ?? 'data:').toMatch(/^data:/);
    expect(page).not.toMatch(/url\(|@import/);
  });

  it('is the same every time', () => {
    expect(renderStudyReport(sample)).toBe(page);
  });

  it('numbers figures and tables in order', () => {
    const labels = texts('figcaption .label');
    const numbers = (kind: string) => labels.filter((label) => label?.startsWith(kind));
    expect(numbers('Figure')).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `Figure ${n}`));
    expect(numbers('Table')).toEqual([1, 2, 3, 4, 5].map((n) => `Table ${n}`));
  });

  it('describes every picture', () => {
    const pictures = [...document.querySelectorAll('img')];
    expect(pictures).toHaveLength(3 * 2 * 6 + 3 * 3 + 2 * (8 + 1));
    for (const picture of pictures) expect(picture.alt.length).toBeGreaterThan(5);
    for (const plot of document.querySelectorAll('svg.plot')) expect(plot.getAttribute('aria-label')).toBeTruthy();
  });

  it('has no ids twice and no number that is none', () => {
    const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(document.body.textContent).not.toMatch(/NaN|undefined|null|Infinity|\[object/);
  });

  it('shows accuracies with their intervals', () => {
    const rows = texts('table tbody tr').map((row) => row?.replaceAll('\u00a0', ' '));
    expect(rows).toContain('8/2550.8%[0.0, 1.7]61.4%[57.0, 65.8]');
    expect(rows).toContain('conflict71.3%[69.3, 73.3]90.1%[88.8, 91.4]');
  });

  it('marks wrong predictions', () => {
    expect(texts('.cell-note b.wrong')).toEqual(['cross', 'circle', 'star', 'ring']);
  });

  it('takes text as text, wherever it comes from', () => {
    const evil = '<script>alert("x")</script>';
    const [first] = sample.examples;
    const hostile = renderStudyReport({
      ...sample,
      title: evil,
      dataset: { ...sample.dataset, name: evil, note: evil },
      examples: [{ ...first!, label: evil }],
      protocol: [{ name: evil, value: evil }],
      versions: { [evil]: evil },
      traversal: { ...sample.traversal!, target: evil },
    });
    expect(new JSDOM(hostile).window.document.querySelectorAll('script')).toHaveLength(0);
  });

  it('leaves out what a study does not have', () => {
    const bare = ({ conflict: _conflict, completenessError: _error, ...model }: StudyResult['models']['robust']) => ({
      ...model,
      attributions: model.attributions.map(({ method }) => ({ method })),
    });
    const { largeEpsilon: _large, traversal: _traversal, ...rest } = sample;
    const { objectShare: _share, ...dataset } = sample.dataset;
    const models = { standard: bare(sample.models.standard), robust: bare(sample.models.robust) };
    const small = new JSDOM(renderStudyReport({ ...rest, dataset, models, examples: [] })).window.document;
    const headings = [...small.querySelectorAll('h2')].map((each) => each.textContent);
    expect(headings).toEqual(['Accuracy', 'Training', 'Protocol and versions']);
    expect(small.body.textContent).not.toMatch(/conflict|NaN|undefined/);
  });
});
