import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { checkAgainstOnnxRuntime } from '../testing/onnxruntime.ts';
import { convolutionCases, inputShapes, transposeCases } from '../testing/window-cases.ts';

describe.each([
  ['Conv', convolutionCases],
  ['ConvTranspose', transposeCases],
])('%s agrees with ONNX Runtime', (op, cases) => {
  it.each(Object.entries(cases))('%s', async (_, test) => {
    await checkAgainstOnnxRuntime({
      op,
      inputs: inputShapes(test).map((shape) => ({ shape })),
      attributes: test.attributes,
    });
  });
});

describe('shapes that do not fit', () => {
  it.each([
    ['channels', 'Conv', [1, 3, 4, 4], [2, 2, 3, 3], {}, /3 channels/],
    ['groups', 'Conv', [1, 4, 4, 4], [3, 2, 3, 3], { group: 2 }, /3 output channels/],
    ['kernel', 'Conv', [1, 1, 2, 2], [1, 1, 3, 3], {}, /covers 3 elements of axis 2, which has 2/],
    ['kernel_shape', 'Conv', [1, 1, 4, 4], [1, 1, 3, 3], { kernel_shape: [2, 2] }, /'kernel_shape' is \[2,2\]/],
    ['strides', 'Conv', [1, 1, 4, 4], [1, 1, 3, 3], { strides: [2] }, /'strides' .* has 1 numbers, expected 2/],
    ['pads', 'Conv', [1, 1, 4, 4], [1, 1, 3, 3], { pads: [-1, 0, 0, 0] }, /at least 0/],
    ['stride zero', 'Conv', [1, 1, 4, 4], [1, 1, 3, 3], { strides: [0, 1] }, /at least 1/],
    ['rank', 'Conv', [1, 1, 4, 4], [1, 1, 3], {}, /same rank/],
    ['transposed channels', 'ConvTranspose', [1, 3, 4, 4], [2, 2, 3, 3], {}, /3 channels/],
    ['empty output', 'ConvTranspose', [1, 1, 2, 2], [1, 1, 1, 1], { pads: [1, 1, 1, 1] }, /\[0,0\]/],
  ])('%s', (_, op, x, weight, attributes, message) => {
    const g = new GraphBuilder();
    const inputs = [g.input('x', 'float32', x), g.input('w', 'float32', weight)];
    expect(() => g.op(op, inputs, attributes)).toThrow(message);
  });
});
