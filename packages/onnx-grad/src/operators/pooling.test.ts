import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { checkAgainstOnnxRuntime } from '../testing/onnxruntime.ts';
import { dilatedPoolingCases, poolingCases } from '../testing/window-cases.ts';

describe('pooling agrees with ONNX Runtime', () => {
  it.each([...poolingCases, ...dilatedPoolingCases])('MaxPool, %s', async (_, shape, attributes) => {
    await checkAgainstOnnxRuntime({ op: 'MaxPool', inputs: [{ shape }], attributes });
    await checkAgainstOnnxRuntime({ op: 'MaxPool', inputs: [{ shape }], attributes, outputCount: 2 });
    const columns = { ...attributes, storage_order: 1 };
    await checkAgainstOnnxRuntime({ op: 'MaxPool', inputs: [{ shape }], attributes: columns, outputCount: 2 });
  });

  it.each(poolingCases)('AveragePool, %s', async (_, shape, attributes) => {
    for (const count_include_pad of [0, 1]) {
      const all = { ...attributes, count_include_pad };
      await checkAgainstOnnxRuntime({ op: 'AveragePool', inputs: [{ shape }], attributes: all });
    }
  });

  it.each([...poolingCases, ...dilatedPoolingCases])('LpPool, %s', async (_, shape, attributes) => {
    for (const p of [1, 2, 3]) {
      await checkAgainstOnnxRuntime({ op: 'LpPool', inputs: [{ shape }], attributes: { ...attributes, p } });
    }
  });

  it.each(['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'])('%s', async (op) => {
    for (const shape of [
      [2, 3, 4, 5],
      [2, 2, 7],
      [1, 2, 2, 3, 2],
    ]) {
      await checkAgainstOnnxRuntime({ op, inputs: [{ shape }] });
    }
  });
});

describe('pooling that does not fit', () => {
  it.each([
    ['no kernel', [1, 1, 4], {}, /lacks its attribute 'kernel_shape'/],
    ['rank', [1, 4], { kernel_shape: [2] }, /expected \[N, C, ...\]/],
    ['kernel', [1, 1, 2], { kernel_shape: [3] }, /covers 3 elements/],
    ['padding', [1, 1, 4], { kernel_shape: [2], pads: [2, 0] }, /smaller than the window/],
  ])('%s', (_, shape, attributes, message) => {
    const g = new GraphBuilder();
    expect(() => g.op('MaxPool', [g.input('x', 'float32', shape)], attributes)).toThrow(message);
  });
});
