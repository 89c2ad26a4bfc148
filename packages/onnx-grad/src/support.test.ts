import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { supportedOperators } from './support.ts';
import { type Providers, supportTable } from './support-table.ts';

const read = (name: string): string | undefined => {
  const path = fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
  return existsSync(path) ? readFileSync(path, 'utf8').replaceAll('\r\n', '\n') : undefined;
};

test('the committed table is up to date (if not, run node scripts/support-table.js)', () => {
  const measured = read('providers.json');
  expect(read('operators.md')).toBe(
    supportTable(measured === undefined ? undefined : (JSON.parse(measured) as Providers)),
  );
});

test('every operator of tiers 0 and 1, and what training needs, is differentiable', () => {
  const expected = `Conv ConvTranspose Gemm MatMul Add Sub Mul Div Neg Relu LeakyRelu Clip Sigmoid Tanh Exp Log Sqrt Pow Abs
    MaxPool AveragePool GlobalAveragePool BatchNormalization Softmax LogSoftmax Reshape Flatten Squeeze Unsqueeze
    Transpose Concat Split ReduceMean ReduceSum Slice Pad Gather Expand Tile Where Erf LayerNormalization
    InstanceNormalization HardSwish HardSigmoid Elu Selu Celu Softplus Softsign Mish PRelu Min Max
    Mean Sum GlobalMaxPool ReduceMax ReduceMin LRN Reciprocal ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp
    LpNormalization Einsum GatherElements GatherND ScatterElements ScatterND Resize DepthToSpace SpaceToDepth CumSum
    Sin Cos QuantizeLinear DequantizeLinear SoftmaxCrossEntropyLoss`;
  const differentiable = supportedOperators()
    .filter(({ gradient }) => gradient === 'differentiable')
    .map(({ name }) => name);
  expect(expected.split(/\s+/).filter((name) => !differentiable.includes(name))).toEqual([]);
});

test('the others of tier 1 are rewritten, and piecewise constant ones have a zero gradient', () => {
  const gradients = Object.fromEntries(
    supportedOperators().map(({ domain, name, gradient }) => [`${domain}:${name}`, gradient]),
  );
  for (const name of [
    'Dropout',
    'Identity',
    'Gelu',
    'GroupNormalization',
    'Swish',
    'Attention',
    'RMSNormalization',
    'If',
    'Constant',
  ]) {
    expect(gradients[`:${name}`], name).toMatch(/removed|differentiable|zero/);
  }
  for (const name of [
    'Shape',
    'ArgMax',
    'Floor',
    'Ceil',
    'Round',
    'Sign',
    'Equal',
    'Greater',
    'Not',
    'IsNaN',
    'NonZero',
  ]) {
    expect(gradients[`:${name}`], name).toBe('zero');
  }
});
