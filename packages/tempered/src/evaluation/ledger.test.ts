import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pgd } from '../attacks/pgd.ts';
import { targeted } from '../attacks/targeted.ts';
import { fromArrays } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { affineModel } from '../models/testing/small-models.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { accuracyOf } from './accuracy.ts';
import { type AttackedPart, attackEach, ledgerCsv } from './ledger.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Light from one half on; the classes come in the other order than the model's, and the last image is wrong. */
const dataset = fromArrays({
  name: 'greys',
  split: 'test',
  classes: ['light', 'dark'],
  imageShape: [1, 1, 1],
  pixels: Float32Array.of(0.25, 0.75, 0.375, 1),
  labels: [1, 0, 1, 1],
});

describe('attackEach', () => {
  it('tells what becomes of each image, in the order and with the classes asked for', async () => {
    const model = { ...affineModel([1, 1, 1], [[-1], [1]], [0.5, -0.5]), classes: ['dark', 'light'] };
    const seen: number[] = [];
    const ledger = await attackEach(new Classifier(model, runtime), {
      dataset,
      attacks: { pgd: pgd({ steps: 4, randomStart: false }) },
      epsilons: [0, 0.1875, 0.3125],
      onEpsilon: ({ epsilon }) => seen.push(epsilon),
    });
    expect(seen).toEqual([0, 0.1875, 0.3125]);
    expect([...ledger.labels]).toEqual([0, 1, 0, 0]);
    expect(ledger.natural).toEqual({ predictions: [0, 1, 0, 1], rank: [0, 0, 0, 1] });
    // Distances to one half are 0.25, 0.25 and 0.125; the image that is wrong is left alone.
    expect(ledger.underAttack.map(({ predictions }) => [...predictions])).toEqual([
      [0, 1, 0, 1],
      [0, 1, 1, 1],
      [1, 0, 1, 1],
    ]);
    expect(ledgerCsv(ledger).split('\n').slice(0, 6)).toEqual([
      'image,label,natural,epsilon,attack,prediction,distance,survives_rounding',
      '0,0,0,0,pgd,0,0,0',
      '1,1,1,0,pgd,1,0,0',
      '2,0,0,0,pgd,0,0,0',
      '3,0,1,0,pgd,1,0,0',
      '0,0,0,0.1875,pgd,0,0.1875,0',
    ]);
  });

  /** Succeeds on the images whose pixel is on one side: toward class 0 a step brings the pixel down, toward class 1 up. */
  const halves = {
    down: targeted(pgd({ steps: 2, randomStart: false }), { class: 0 }),
    up: targeted(pgd({ steps: 2, randomStart: false }), { class: 1 }),
  };
  const classifier = () => {
    const model = affineModel([1, 1, 1], [[-1], [1]], [0.5, -0.5]);
    return new Classifier({ ...model, classes: ['dark', 'light'] }, runtime);
  };

  it('takes the worst case image by image, not attack by attack', async () => {
    const { underAttack } = await attackEach(classifier(), { dataset, attacks: halves, epsilons: [0.3] });
    const [at] = underAttack;
    const right = (each: { rank: readonly number[] }) => each.rank.map((above) => above === 0);
    expect(right(at!.byAttack.down!)).toEqual([true, false, true, false]);
    expect(right(at!.byAttack.up!)).toEqual([false, true, false, false]);
    expect(right(at!)).toEqual([false, false, false, false]);
    expect(at!.forwards).toBe(at!.byAttack.down!.forwards + at!.byAttack.up!.forwards);
    expect(accuracyOf(at!).correct).toBe(0);
  });

  it('does not repeat what is remembered, ends where it is told to, and hands out the attacked images', async () => {
    const kept = new Map<string, string>();
    let computed = 0;
    const remember = async <T>(name: string, compute: () => Promise<T>): Promise<T> => {
      const known = kept.get(name);
      if (known !== undefined) return JSON.parse(known);
      computed += 1;
      const value = await compute();
      kept.set(name, JSON.stringify(value));
      return value;
    };
    const parts: AttackedPart[] = [];
    const options = {
      dataset,
      attacks: { pgd: pgd({ steps: 4 }) },
      epsilons: [0, 0.2, 0.3, 0.4],
      until: ({ rank }: { rank: readonly number[] }) => rank.every((above) => above > 0),
      onAttacked: (part: AttackedPart) => void parts.push(part),
      remember,
    };
    const first = await attackEach(classifier(), options);
    expect(first.underAttack.map(({ epsilon }) => epsilon)).toEqual([0, 0.2, 0.3]);
    expect([...kept.keys()]).toEqual(['natural', 'attack pgd at 0.2', 'attack pgd at 0.3']);
    expect(await attackEach(classifier(), options)).toEqual(first);
    expect(computed).toBe(3);
    expect(parts.map(({ epsilon, imageNumbers, success }) => [epsilon, [...imageNumbers], [...success]])).toEqual([
      [0.2, [0, 1, 2], [0, 0, 1]],
      [0.3, [0, 1, 2], [1, 1, 1]],
    ]);
  });

  it('goes through unsorted radii in order where it is told to end', async () => {
    const options = { dataset, attacks: { pgd: pgd({ steps: 4 }) }, epsilons: [0.4, 0, 0.3, 0.2] };
    const until = ({ rank }: { rank: readonly number[] }) => rank.every((above) => above > 0);
    const radii = async (more: object) =>
      (await attackEach(classifier(), { ...options, ...more })).underAttack.map(({ epsilon }) => epsilon);
    expect(await radii({ until })).toEqual([0, 0.2, 0.3]);
    expect(await radii({})).toEqual([0.4, 0, 0.3, 0.2]);
  });

  it('refuses a surrogate that numbers the classes otherwise', async () => {
    const other = classifier();
    const surrogate = new Classifier({ ...other.description, classes: ['light', 'dark'] }, runtime);
    const attacks = { pgd: pgd() };
    await expect(attackEach(other, { dataset, attacks, epsilons: [0.1], surrogate })).rejects.toThrow(
      /in different orders/,
    );
  });

  it.each([
    ['no attack', {}, 'an evaluation needs an attack'],
    [
      'two threat models',
      { a: pgd(), b: pgd({ norm: 'l2' }) },
      "'a' (linf) and 'b' (l2) are attacks of different threat models: evaluate them one by one",
    ],
  ])('refuses %s', async (_, attacks, message) => {
    await expect(attackEach(classifier(), { dataset, attacks, epsilons: [0.1] })).rejects.toThrow(
      new UsageError(message),
    );
  });
});
