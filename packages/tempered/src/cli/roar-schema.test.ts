import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { roarConfiguration } from '../study/roar/configuration.ts';
import { roarSchema, withSettings } from './roar-schema.ts';
import { parseConfiguration } from './schema.ts';

const EXAMPLES = new URL('../../../../examples/roar/', import.meta.url);
const parse = (value: unknown) => withSettings(parseConfiguration(roarSchema, value, 'a.json'));
const example = async (name: string) => parse(JSON.parse(await readFile(new URL(name, EXAMPLES), 'utf8')));

describe('settings', () => {
  it('are those of the data set where the file says nothing', () => {
    expect(parse({})).toEqual(roarConfiguration('shapes'));
    expect(parse({ data: 'mnist', seed: 4 })).toEqual(roarConfiguration('mnist', 4));
  });

  it('replace those of the data set one by one', () => {
    const base = roarConfiguration('cifar10');
    expect(parse({ data: 'cifar10', adversarial: { stepSize: { l2: { relative: 2 } } }, seeds: 7 })).toEqual({
      ...base,
      adversarial: { ...base.adversarial, stepSize: { ...base.adversarial.stepSize, l2: { relative: 2 } } },
      seeds: 7,
    });
  });

  it('can be written as a file and read again', () => {
    for (const data of ['shapes', 'mnist', 'fashion-mnist', 'cifar10', 'folder']) {
      const configuration = roarConfiguration(data);
      expect(parse(JSON.parse(JSON.stringify(configuration)))).toEqual(configuration);
    }
  });
});

describe('examples', () => {
  it.each(readdirSync(EXAMPLES))('may be examples/roar/%s', async (name) => {
    expect((await example(name)).data).not.toBe('');
  });

  it.each(['shapes', 'mnist'])('%s.json is what the command does by itself', async (name) => {
    expect(await example(`${name}.json`)).toEqual(roarConfiguration(name));
  });

  it('cifar10-published.json is the published study', async () => {
    expect(await example('cifar10-published.json')).toEqual({
      ...roarConfiguration('cifar10'),
      protocols: ['published'],
    });
  });
});
