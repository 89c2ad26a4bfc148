import { describe, expect, it } from 'vitest';
import { cosTurns, log, sinTurns } from './portable-math.ts';
import { createRandom, normalQuantile, threefry } from './random.ts';

describe('threefry', () => {
  // Known-answer tests of the Random123 distribution, threefry2x32 with 20 rounds.
  it.each([
    { key: [0, 0], counter: [0, 0], expected: ['6b200159', '99ba4efe'] },
    { key: [-1, -1], counter: [-1, -1], expected: ['1cb996fc', 'bb002be7'] },
    { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], expected: ['c4923a9c', '483df7a0'] },
  ] as const)('gives $expected', ({ key, counter, expected }) => {
    const words = threefry(key, counter[0], counter[1] | 0).map((word) => (word >>> 0).toString(16));
    expect(words).toEqual(expected);
  });
});

describe('portable functions', () => {
  it('agree with Math', () => {
    for (let i = -5000; i <= 5000; i++) {
      const turns = i / 700;
      expect(sinTurns(turns)).toBeCloseTo(Math.sin(2 * Math.PI * turns), 13);
      expect(cosTurns(turns)).toBeCloseTo(Math.cos(2 * Math.PI * turns), 13);
      const x = 1.02 ** (i / 10);
      expect(Math.abs(log(x) - Math.log(x))).toBeLessThan(1e-14 * (1 + Math.abs(Math.log(x))));
    }
  });

  // Published percentage points of the normal distribution.
  it.each([
    [0.5, 0],
    [0.9, 1.2815515655446004],
    [0.975, 1.959963984540054],
    [0.999, 3.090232306167813],
    [1e-10, -6.361340902404056],
    [1e-12, -7.034483825],
  ])('normalQuantile(%d)', (p, expected) => {
    expect(normalQuantile(p)).toBeCloseTo(expected, 8);
  });
});

describe('createRandom', () => {
  it('gives the same numbers for the same path and others for another', () => {
    const draw = (...stream: (number | string)[]) => {
      const random = createRandom(7, ...stream);
      return [random.bits(), random.bits(), random.bits()];
    };
    expect(draw('a', 1)).toEqual(draw('a', 1));
    const all = [
      draw(),
      draw('a'),
      draw('a', 1),
      draw('a', 2),
      draw('b', 1),
      draw(1, 'a'),
      draw('1'),
      draw(1),
      draw(0.5),
    ];
    expect(new Set(all.map(String)).size).toBe(all.length);
  });

  it('keeps its bytes from version to version', () => {
    const random = createRandom(0, 'train', 3);
    const values = [random.bits(), random.uniform(), random.normal(), random.integer(10), ...random.shuffle(5)];
    expect(values).toMatchInlineSnapshot(`
      [
        1731052597,
        0.27195936697535217,
        0.0688075654178749,
        7,
        1,
        2,
        3,
        0,
        4,
      ]
    `);
  });

  it('splits independently of what was drawn', () => {
    const a = createRandom(1);
    const b = createRandom(1);
    b.bits();
    expect(a.split('x', 2).bits()).toBe(b.split('x', 2).bits());
    expect(createRandom(1, 'x', 2).bits()).toBe(a.split('x').split(2).bits());
  });

  it('has the moments of its distributions', () => {
    const n = 200_000;
    const moments = (array: Float32Array) => {
      const mean = array.reduce((sum, x) => sum + x, 0) / n;
      return { mean, variance: array.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n };
    };
    const values = new Float32Array(n);
    createRandom(2).fillUniform(values, -1, 3);
    expect(moments(values).mean).toBeCloseTo(1, 1.7);
    expect(moments(values).variance).toBeCloseTo(16 / 12, 1.7);
    expect(values.every((x) => x >= -1 && x < 3)).toBe(true);
    createRandom(3).fillNormal(values, 2, 0.5);
    expect(moments(values).mean).toBeCloseTo(2, 2);
    expect(moments(values).variance).toBeCloseTo(0.25, 2);
    // Share beyond one standard deviation: 31.73 %.
    expect(values.filter((x) => Math.abs(x - 2) > 0.5).length / n).toBeCloseTo(0.3173, 2);
  });

  it('draws whole numbers and permutations evenly', () => {
    const random = createRandom(4);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[random.integer(6)]!++;
    // Chi-squared with 5 degrees of freedom: 20.5 is the 99.9 % point.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(20.5);
    expect([...random.shuffle(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const first = new Array<number>(3).fill(0);
    for (let i = 0; i < 30_000; i++) first[random.shuffle(3)[0]!]!++;
    expect(first.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(13.8);
    expect(() => random.integer(0)).toThrow(RangeError);
  });
});
