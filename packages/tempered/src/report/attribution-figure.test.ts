import { JSDOM } from 'jsdom';
import { describe, expect, it } from 'vitest';
import { cases, flatten, present } from '../attribution/testing/cases.ts';
import { encodePng } from '../image/node/encode.ts';
import { noiseImages } from '../models/testing/small-models.ts';
import type { Tensor } from '../tensor.ts';
import { type AttributionFigureOptions, attributionFigure, drawnMaps } from './attribution-figure.ts';
import { shortNames } from './attribution-layout.ts';
import { drawPictureTable } from './picture-table.ts';

const images = noiseImages(2, [1, 6, 6]);
const map = (scale: number, seed = 1): Tensor => {
  const noise = noiseImages(2, [1, 6, 6], seed);
  return { ...noise, data: noise.data.map((value) => scale * (value - 0.5)) };
};
const zero: Tensor = { ...images, data: new Float32Array(72) };
const predictions = [
  { label: 'cat', probability: 0.9 },
  { label: 'dog', probability: 0.6 },
];
const model = (name: string, ...conditions: Tensor[][]) => ({
  name,
  conditions: conditions.map((maps) => ({ images, predictions, maps })),
});
const options: AttributionFigureOptions = {
  title: 'Maps',
  models: [model('net-normal', [map(1)]), model('net-robust', [map(0.01, 2)])],
  methods: [{ label: 'gradient', unit: 'logit per unit of pixel value' }],
  images: [
    { name: 'image 0', label: 'cat', explained: 'cat' },
    { name: 'image 1', label: 'cat', explained: 'cat' },
  ],
};
const headings = (figure: Partial<AttributionFigureOptions>) =>
  attributionFigure({ ...options, ...figure }).table.columns.map(({ group, heading }) =>
    [group, heading].filter(Boolean).join(': '),
  );

describe('layout', () => {
  it('of one method: a row an image; input, models, difference', () => {
    const { table } = attributionFigure(options);
    expect(headings({})).toEqual(['input', 'normal', 'robust', 'difference']);
    expect(table.rows.map(({ label, detail }) => [label, detail])).toEqual([
      ['image 0', 'class cat'],
      ['image 1', 'class cat'],
    ]);
    for (const { cells } of table.rows) expect(cells).toHaveLength(4);
    // The second image is taken for another class.
    expect(table.rows[0]!.cells[1]!.captions![0]).toEqual({ text: 'cat, 90.0%', tone: 'strong' });
    expect(table.rows[1]!.cells[1]!.captions![0]).toEqual({ text: 'dog, 60.0%', tone: 'wrong' });
  });

  it('after an attack: every model has an input of its own', () => {
    const models = [model('net-normal', [map(1)], [map(2)]), model('net-robust', [map(1)], [map(3)])];
    expect(headings({ models, attack: 'pgd' })).toEqual([
      ...['clean: input', 'clean: normal', 'clean: robust', 'clean: difference'],
      ...['pgd: input for normal', 'pgd: normal', 'pgd: input for robust', 'pgd: robust', 'pgd: difference'],
    ]);
    expect(attributionFigure({ ...options, models }).table.rows[0]!.cells).toHaveLength(9);
  });

  it('of several methods: a row a model and their difference, a column a method', () => {
    const methods = [...options.methods, { label: 'ig', unit: 'logit' }];
    const models = ['net-normal', 'net-robust'].map((name) => model(name, [map(1), map(2)], [map(1), map(2)]));
    const { table } = attributionFigure({ ...options, models, methods });
    const columns = ['input', 'gradient', 'ig'];
    expect(headings({ models, methods })).toEqual([
      ...columns.map((each) => `clean: ${each}`),
      ...columns.map((each) => `attacked: ${each}`),
    ]);
    expect(table.rows.map(({ label, block }) => [label, block])).toEqual([
      ['normal', 'image 0 · class cat'],
      ['robust', undefined],
      ['difference', undefined],
      ['normal', 'image 1 · class cat'],
      ['robust', undefined],
      ['difference', undefined],
    ]);
    expect(table.notes[0]).toBe('Units: logit per unit of pixel value for gradient; logit for ig.');
  });

  it('of one model, or of three: no difference', () => {
    expect(headings({ models: [model('net', [map(1)])] })).toEqual(['input', 'net']);
    const three = ['a', 'b', 'c'].map((name) => model(name, [map(1)]));
    expect(headings({ models: three })).toEqual(['input', 'a', 'b', 'c']);
  });
});

describe('scale', () => {
  const clips = (scale: AttributionFigureOptions['scale']) =>
    attributionFigure({ ...options, scale, percentile: 100 }).readings.map((conditions) =>
      conditions[0]![0]!.map(({ clip }) => clip),
    );
  const largest = (tensor: Tensor, i: number) => Math.max(...tensor.data.subarray(36 * i, 36 * (i + 1)).map(Math.abs));

  it('is each map’s own, one for an image, or one for a method', () => {
    const [normal, robust] = [map(1), map(0.01, 2)];
    expect(clips('own')).toEqual([
      [largest(normal, 0), largest(normal, 1)],
      [largest(robust, 0), largest(robust, 1)],
    ]);
    expect(clips('image')).toEqual(new Array(2).fill([largest(normal, 0), largest(normal, 1)]));
    expect(clips('method').flat()).toEqual(new Array(4).fill(Math.max(largest(normal, 0), largest(normal, 1))));
  });

  it('of a difference: maps that differ in size alone do not differ', () => {
    const models = [model('a', [map(1)]), model('b', [map(1000)])];
    const differences = (scale: AttributionFigureOptions['scale']) =>
      attributionFigure({ ...options, models, scale }).table.rows.map(({ cells }) => cells[3]!);
    for (const { message } of differences('own')) expect(message).toBe('no difference');
    for (const { message, captions } of differences('image')) {
      expect(message).toBeUndefined();
      expect(captions![0]!.text).toMatch(/± (0\.9|1\.)/);
    }
  });
});

it.skipIf(!present)('symmetric bounds over all images are those of zennit (needs ../shared)', () => {
  const published = cases.find(({ id }) => id === 'zennit/image/interval-norm-True-0123')!;
  const data = Float32Array.from(flatten(published.input.array!));
  const signs = { shape: [2, 1, data.length / 2, 1], data };
  const models = [{ name: 'a', conditions: [{ images: signs, predictions, maps: [signs] }] }];
  const { readings } = attributionFigure({ ...options, models, scale: 'method', percentile: 100 });
  const [upper] = flatten(published.expected.vmax!);
  for (const { clip } of readings[0]![0]![0]!) expect(clip).toBeCloseTo(upper!, 6);
  expect(flatten(published.expected.vmin!)).toEqual([-upper!]);
});

it('a map of zeros is neutral and says so; the others keep their figures', () => {
  const models = [model('a', [zero]), model('b', [map(1)])];
  const { table, readings } = attributionFigure({ ...options, models });
  const [, first, second] = table.rows[0]!.cells;
  expect(first!.message).toBe('no positive evidence');
  expect(new Set(first!.picture.data).size).toBeLessThanOrEqual(3);
  expect(second!.message).toBeUndefined();
  expect(second!.captions!.at(-1)!.text).toMatch(/^± 0\.\d+ · \d+% > 0$/);
  expect(readings[0]![0]![0]![0]!.clip).toBe(0);
});

it('maps without negative values get the sequential colours, and a key of their own', () => {
  const positive = { ...images, data: images.data.map(Math.abs) };
  const keys = (maps: Tensor[]) =>
    attributionFigure({ ...options, models: maps.map((each, i) => model(`net-${i}`, [each])) }).table.keys.map(
      ({ map: { name }, title }) => `${name} ${title}`,
    );
  expect(keys([positive])).toEqual(['sequential unsigned maps: logit per unit of pixel value']);
  expect(keys([positive, map(1)])[0]).toBe('diverging signed maps: logit per unit of pixel value');
  const overlay = attributionFigure({ ...options, models: [model('a', [positive])], overlay: true }).table.keys[0]!;
  expect([...overlay.map.table.subarray(0, 3)].every((byte) => byte > 240)).toBe(true);
});

it('sums channels, and brings maps of a layer to the size of the image', () => {
  const layer: Tensor = { shape: [1, 2, 2, 2], data: Float32Array.of(1, 1, 1, 1, 2, 2, 2, 2) };
  const [drawn] = drawnMaps({ images: noiseImages(1, [3, 8, 8]), maps: [layer] });
  expect(drawn!.shape).toEqual([1, 1, 8, 8]);
  expect([...new Set(drawn!.data)]).toEqual([3]);
  const [row] = drawnMaps({ images: noiseImages(1, [5]), maps: [noiseImages(1, [5])] });
  expect(row!.shape).toEqual([1, 1, 1, 5]);
});

it.each([
  [
    ['mnist-small-normal', 'mnist-small-adv'],
    ['normal', 'adv'],
  ],
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  [
    ['net-a', 'net-a'],
    ['a', 'a'],
  ],
  [['only-one'], ['only-one']],
])('short names of %j', (names, short) => expect(shortNames(names)).toEqual(short));

describe('drawn', () => {
  const draw = async (figure: Partial<AttributionFigureOptions>) => {
    const { svg, width, height } = await drawPictureTable(
      attributionFigure({ ...options, ...figure }).table,
      encodePng,
    );
    const { document } = new JSDOM(svg, { contentType: 'image/svg+xml' }).window;
    return { document, svg, width, height };
  };

  it('is well-formed, needs no other file, and keeps everything inside the page', async () => {
    const { document, width, height, svg } = await draw({ title: 'A < B & "C"', lines: ['one', 'two '.repeat(200)] });
    expect(document.querySelector('parsererror')).toBeNull();
    expect(svg).not.toMatch(/href="(?!data:image\/png;base64)/);
    const pictures = [...document.querySelectorAll('image')];
    expect(pictures).toHaveLength(2 * 4 + 2);
    for (const each of [...pictures, ...document.querySelectorAll('text')]) {
      const at = (name: string) => Number(each.getAttribute(name) ?? 0);
      expect(at('x') + at('width')).toBeLessThanOrEqual(width);
      expect(at('y') + at('height')).toBeLessThanOrEqual(height);
    }
  });

  it('has no text on a picture but messages, and no two pictures on each other', async () => {
    const methods = [...options.methods, { label: 'integrated-gradients:steps=50,baseline=white', unit: 'logit' }];
    const models = ['normal', 'robust'].map((name, seed) =>
      model(name, [map(1, seed), map(2, seed)], [map(1, seed + 5), map(2, seed + 5)]),
    );
    const { document } = await draw({ models, methods, attack: 'pgd:steps=40, ε = 8/255' });
    const box = (each: Element) => {
      const [x, y, w, h] = ['x', 'y', 'width', 'height'].map((name) => Number(each.getAttribute(name)));
      return { left: x!, top: y!, right: x! + w!, bottom: y! + h! };
    };
    const pictures = [...document.querySelectorAll('image')].map(box);
    pictures.forEach((a, i) => {
      for (const b of pictures.slice(i + 1))
        expect(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top).toBe(true);
    });
    for (const text of document.querySelectorAll('text')) {
      const [x, y] = [Number(text.getAttribute('x')), Number(text.getAttribute('y'))];
      expect(pictures.some(({ left, right, top, bottom }) => x > left && x < right && y > top && y < bottom)).toBe(
        false,
      );
    }
  });

  it('writes the message of a map of zeros across it', async () => {
    const { document } = await draw({ models: [model('a', [zero])] });
    const words = [...document.querySelectorAll('text')].map(({ textContent }) => textContent);
    expect(words.join(' ')).toContain('no positive');
  });
});
