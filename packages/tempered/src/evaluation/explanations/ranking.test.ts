import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../tensor.ts';
import type { MeasureTask } from './measure.ts';
import { pixelPlaces, pixelRelevance } from './ranking.ts';
import { areas, stepsOf } from './replacement.ts';

const maps = (shape: number[], ...values: number[]): Tensor => ({ shape, data: Float32Array.from(values) });

const places = (attributions: Tensor, region?: number, seed = 0, ranking: MeasureTask['ranking'] = 'signed') => {
  const imageNumbers = Array.from({ length: attributions.shape[0]! }, (_, i) => i);
  const found = pixelPlaces({ attributions, ranking, seed, imageNumbers }, region);
  return { ...found, places: [...found.places.data] };
};

describe('the order of pixels', () => {
  it('adds channels up, with or without their signs', () => {
    const attributions = maps([1, 2, 1, 3], 1, -2, 0, -1, -1, 0.5);
    expect([...pixelRelevance(attributions, 'signed').data]).toEqual([0, -3, 0.5]);
    expect([...pixelRelevance(attributions, 'magnitude').data]).toEqual([2, 3, 0.5]);
  });

  it('counts from the most relevant', () => {
    expect(places(maps([1, 1, 2, 2], 1, 4, -3, 2))).toEqual({ places: [2, 0, 3, 1], count: 4 });
    expect(places(maps([1, 1, 2, 2], 1, 4, -3, 2), 1, 0, 'magnitude').places).toEqual([3, 0, 1, 2]);
  });

  it('breaks ties at random, the same way for an image whatever is beside it', () => {
    const flat = maps([2, 1, 4, 4], ...Array<number>(32).fill(1));
    const [first, second] = [places(flat).places.slice(0, 16), places(flat).places.slice(16)];
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(first).not.toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(second).not.toEqual(first);
    expect(places(maps([1, 1, 4, 4], ...Array<number>(16).fill(1))).places).toEqual(first);
    expect(places(maps([1, 1, 4, 4], ...Array<number>(16).fill(1)), 1, 1).places).not.toEqual(first);
  });

  it('ranks squares by the mean relevance in them, those at the border too', () => {
    const square = maps([1, 1, 3, 3], 1, 1, 9, 1, 1, 8, 2, 2, 0);
    expect(places(square, 2)).toEqual({ places: [2, 2, 0, 2, 2, 0, 1, 1, 3], count: 4 });
  });
});

describe('curves', () => {
  it.each([
    [4, 0.25, 1, [0, 1, 2, 3, 4]],
    [10, 0.25, 1, [0, 3, 5, 8, 10]],
    [2, 0.1, 1, [0, 1, 2]],
    [100, 0.1, 0.3, [0, 10, 20, 30]],
    [100, 1, 1, [0, 100]],
  ])('of %d pixels in steps of %d up to %d', (count, step, until, points) => {
    expect(stepsOf(count, step, until)).toEqual(points);
  });

  it('have the area of trapezoids over the length of the axis', () => {
    const curve = maps([2, 3], 1, 0.5, 0, 0, 1, 1);
    expect([...areas(curve, [0, 1, 4])]).toEqual([(0.75 + 3 * 0.25) / 4, (0.5 + 3) / 4]);
  });
});
