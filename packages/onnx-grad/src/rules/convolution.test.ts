import { describe, it } from 'vitest';
import { checkRule } from '../testing/check-rule.ts';
import { convolutionCases, inputShapes, transposeCases } from '../testing/window-cases.ts';

describe.each([
  ['Conv', convolutionCases],
  ['ConvTranspose', transposeCases],
])('the gradient of %s', (op, cases) => {
  it.each(Object.entries(cases))('%s', (_, test) => {
    for (const constant of [false, true]) {
      const inputs = inputShapes(test).map((shape, i) => ({ shape, constant: constant && i === 1 }));
      checkRule({ op, inputs, attributes: test.attributes });
    }
  });
});
