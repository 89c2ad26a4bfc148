import { expect, it } from 'vitest';
import { attackOf, catalogue, choicesOf, settingsOf } from './catalogue.ts';
import { bim } from './pgd.ts';
import { boychev2023, kang2019Pgd, kim2019, mnistManipulation, presets, robustnessLibrary } from './presets.ts';
import { studies } from './study-catalogue.ts';

it('the catalogue has every preset, by a name of the command line', () => {
  const kebab = (name: string) => name.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  expect(Object.keys(studies)).toEqual(Object.keys(presets).map(kebab));
  for (const name of Object.keys(studies)) expect(catalogue[name]).toBe(studies[name]);
});

it('attacks of studies are the presets, whatever ε', () => {
  expect(attackOf('boychev2023')).toEqual(boychev2023().attack);
  expect(attackOf('boychev2023', { steps: 10, stepSize: 0.1875 })).toEqual(
    boychev2023({ epsilon: 1.5, steps: 10, stepSize: 0.1875 }).attack,
  );
  expect(attackOf('kim2019', { norm: 'l2' })).toEqual(kim2019({ norm: 'l2', epsilon: 3 }).attack);
  expect(attackOf('kang2019-pgd', { norm: 'l2' })).toEqual(kang2019Pgd({ norm: 'l2', epsilon: 600 }).attack);
  expect(attackOf('mnist-manipulation')).toEqual(mnistManipulation().attack);
  expect(attackOf('robustness-library', { norm: 'l2', randomStart: true })).toEqual(
    robustnessLibrary({ norm: 'l2', epsilon: 1, randomStart: true }).attack,
  );
  expect(() => attackOf('boychev2023', { norm: 'linf' })).toThrow("'boychev2023' has no form for linf");
});

it('says what they do otherwise than pgd, in either norm', () => {
  expect(catalogue.boychev2023!.differs).toContain(
    'returns the iterate with the worst mean loss of its batch, and never looks at the last one',
  );
  const kim = catalogue.kim2019!.differs!;
  expect(kim).toContain('starts at the image itself');
  expect(kim.filter((each) => each.startsWith('in l2: '))).toHaveLength(2);
  expect(catalogue.pgd!.differs).toBeUndefined();
});

it('tells the settings of an attack and what they can be', () => {
  expect(settingsOf('kim2019')).toEqual(['norm', 'target', 'minimal']);
  expect(choicesOf('kim2019', 'norm')).toEqual(['linf', 'l2']);
  expect(attackOf('bim')).toEqual(bim());
});
