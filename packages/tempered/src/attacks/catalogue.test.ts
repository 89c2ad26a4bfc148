import { describe, expect, it } from 'vitest';
import { attackOf, catalogue, choicesOf, settingsOf } from './catalogue.ts';

it('offers restarts to attacks that draw random numbers, and to no others', () => {
  const restarted = Object.keys(catalogue).filter((name) => settingsOf(name).includes('restarts'));
  expect(restarted).toEqual(expect.arrayContaining(['r-fgsm', 'pgd', 'auto-pgd', 'fab', 'square', 'noise', 'fog']));
  for (const name of ['fgsm', 'bim', 'mi-fgsm', 'ni-fgsm', 'deep-fool', 'carlini-wagner', 'ddn', 'fmn', 'spatial'])
    expect(restarted).not.toContain(name);
});

it('offers a search for the smallest radius, and targets, to attacks that have neither by themselves', () => {
  expect(settingsOf('pgd')).toEqual(expect.arrayContaining(['target', 'minimal']));
  expect(settingsOf('fab')).not.toContain('minimal');
  expect(settingsOf('kang2019-pgd')).not.toContain('target');
});

describe.each(Object.keys(catalogue))('%s', (name) => {
  it('can be made with every choice that it offers', () => {
    for (const setting of settingsOf(name))
      for (const choice of choicesOf(name, setting) ?? []) {
        expect(JSON.stringify(attackOf(name, { [setting]: choice }))).toContain(`"${choice}"`);
      }
  });
});
