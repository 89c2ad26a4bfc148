import { describe, test } from 'vitest';
import { indexingCases, movementCases, paddingCases, resizeCases } from '../testing/movement-cases.ts';
import { checkAgainstOnnxRuntime } from '../testing/onnxruntime.ts';

describe.each([
  ['movement', movementCases],
  ['indexing', indexingCases],
  ['padding', paddingCases],
  ['resizing', resizeCases],
])('values of %s are those of ONNX Runtime', (_, cases) => {
  test.each(Object.entries(cases))('%s', (_name, operatorCase) => checkAgainstOnnxRuntime(operatorCase));
});

describe('scattering with every reduction', () => {
  test.each(['none', 'add', 'mul', 'max', 'min'])('%s', async (reduction) => {
    // Positions repeat, except where the last one to be written would be undefined.
    const data = reduction === 'none' ? [2, 0] : [2, -1];
    const indices = { shape: [2, 1], data, dtype: 'int64' as const };
    const x = { shape: [3, 2] };
    await checkAgainstOnnxRuntime({
      op: 'ScatterND',
      inputs: [x, indices, { shape: [2, 2] }],
      attributes: { reduction },
    });
    await checkAgainstOnnxRuntime({
      op: 'ScatterElements',
      inputs: [x, indices, { shape: [2, 1] }],
      attributes: { reduction },
    });
  });
});
