import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import { methodCatalogue, methodsFrom } from './catalogue.ts';
import { count, entry, findAll, nonNegative, oneOf, share, yesOrNo } from './settings.ts';

describe('lists of methods with settings', () => {
  it.each<[string, [string, object][]]>([
    ['gradient', [['gradient', { name: 'gradient', absolute: false }]]],
    ['saliency:absolute=yes', [['saliency:absolute=yes', { name: 'gradient', absolute: true }]]],
    [
      'ig:steps=20,baseline=white,gradient',
      [
        [
          'ig:steps=20,baseline=white',
          { name: 'integrated-gradients', steps: 20, baseline: 'white', rule: 'midpoint' },
        ],
        ['gradient', { name: 'gradient' }],
      ],
    ],
    [
      ' IG:max-steps=100,rule=adaptive  smoothgrad:sigma=1/4,method=ig',
      [
        ['IG:max-steps=100,rule=adaptive', { name: 'integrated-gradients', rule: 'adaptive', maxSteps: 100 }],
        [
          'smoothgrad:sigma=1/4,method=ig',
          { name: 'smoothgrad', sigma: 0.25, method: { name: 'integrated-gradients' } },
        ],
      ],
    ],
    ['lrp:composite=z-plus', [['lrp:composite=z-plus', { composite: { dense: { rule: 'z-plus' } } }]]],
    ['lime:features=squares-8', [['lime:features=squares-8', { features: { squares: 8 } }]]],
    [
      'neuron-conductance:unit=/layer/Relu_output_0:3:1:2',
      [['neuron-conductance:unit=/layer/Relu_output_0:3:1:2', { unit: '/layer/Relu_output_0:3:1:2' }]],
    ],
  ])('%s', (list, expected) => {
    expect(methodsFrom(list).map(({ text, method }) => [text, method])).toMatchObject(expected);
  });

  it('reads the mean of maps over noisy copies as the maps are read', () => {
    const readings = methodsFrom('smoothgrad,smoothgrad:method=ig,vargrad:method=ig').map(({ ranking, scale }) => [
      ranking,
      scale,
    ]);
    expect(readings).toEqual([
      ['magnitude', 'local'],
      ['signed', 'global'],
      ['magnitude', 'local'],
    ]);
  });

  it('gives a background to methods that compare with one', () => {
    const background = { shape: [3, 1, 2, 2], data: new Float32Array(12) };
    expect(methodsFrom('gradient-shap:samples=5', background)[0]!.method).toMatchObject({ background, samples: 5 });
    expect(methodsFrom('smoothgrad:method=deep-lift-shap', background)[0]!.method).toMatchObject({
      method: { name: 'deep-shap', background },
    });
    for (const list of ['deep-shap', 'vargrad:method=deep-shap'])
      expect(() => methodsFrom(list)).toThrow(
        "'deep-shap' compares with background images, and there are none here: give --background FILE.npy, or --data NAME",
      );
  });

  it.each([
    ['nothing', /^there is no method 'nothing': choose from gradient, .*edges$/],
    ['gradient:steps=3', /^'gradient' has no setting 'steps': it has absolute$/],
    ['grad-input:steps=3', /^'grad-input' has no setting 'steps': it has none$/],
    ['ig:steps=0', /^the setting 'steps' must be a whole number, 1 or more, not '0'$/],
    ['ig:steps=', /^the setting 'steps' must be a whole number, 1 or more, not ''$/],
    ['ig:steps=4,baseline=white,steps=5', /^'ig:steps=4,baseline=white,steps=5' sets steps twice$/],
    ['ig:max-steps=4,maxSteps=5', /sets max-steps twice$/],
    ['ig:rule=simpson', /^the setting 'rule' must be left\|right\|.*, not 'simpson'$/],
    ['smoothgrad:method=none', /^the setting 'method' must be the name of a method, not 'none'$/],
    ['neuron-conductance', /needs unit=LAYER:CHANNEL/],
  ])('refuses %s', (list, message) => {
    expect(() => methodsFrom(list)).toThrow(UsageError);
    expect(() => methodsFrom(list)).toThrow(message);
  });

  it('names of methods, with those of other libraries, mean one method each', () => {
    const names = Object.entries(methodCatalogue).flatMap(([name, { aliases }]) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('settings', () => {
  it.each([
    [count, '3', 3],
    [count, '3.5', undefined],
    [nonNegative, '8/255', 8 / 255],
    [nonNegative, '-1', undefined],
    [nonNegative, '1/2/3', undefined],
    [nonNegative, '1/0', undefined],
    [share, '0', undefined],
    [share, '1', 1],
    [yesOrNo, 'no', false],
    [yesOrNo, 'maybe', undefined],
    [oneOf('a', 'b'), 'b', 'b'],
    [oneOf('a', 'b'), 'c', undefined],
  ])('%#: %o reads %s', (setting, text, value) => {
    expect(setting.read(text)).toBe(value);
  });

  it('are given to what is made by their own names', () => {
    const catalogue = { box: entry({ summary: '', settings: { stepSize: count }, make: (values) => values }) };
    const [found] = findAll(catalogue, 'box', 'box:step-size=4');
    expect(found!.entry.make(found!.settings)).toEqual({ stepSize: 4 });
  });
});
