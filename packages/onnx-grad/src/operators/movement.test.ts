import { describe, expect, test } from 'vitest';
import { type AttributeInput, GraphBuilder } from '../builder.ts';
import { ShapeError } from '../errors.ts';
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

describe('what does not fit is a ShapeError that names the node', () => {
  test.each<[string, string, number[], number[][], Record<string, AttributeInput>]>([
    ['a Reshape of another size', 'Reshape', [2, 3], [[4]], {}],
    ['a Reshape with two open dimensions', 'Reshape', [2, 3], [[-1, -1]], {}],
    ['a Flatten beyond the rank', 'Flatten', [2, 3], [], { axis: 3 }],
    ['a Squeeze of a long axis', 'Squeeze', [2, 3], [[0]], {}],
    ['an Unsqueeze that names an axis twice', 'Unsqueeze', [2, 3], [[1, 1]], {}],
    ['a Transpose that repeats an axis', 'Transpose', [2, 3], [], { perm: [0, 0] }],
    ['a Split into other lengths', 'Split', [2, 3], [[1, 2]], {}],
    ['an Expand that does not broadcast', 'Expand', [2, 3], [[2, 2]], {}],
    ['a Tile of another rank', 'Tile', [2, 3], [[2]], {}],
    ['a DepthToSpace of too few channels', 'DepthToSpace', [1, 3, 2, 2], [], { blocksize: 2 }],
    ['a DepthToSpace without block size', 'DepthToSpace', [1, 4, 2, 2], [], {}],
    ['a Slice with step 0', 'Slice', [4], [[0], [4], [0], [0]], {}],
    ['a Slice of an unknown axis', 'Slice', [4], [[0], [4], [1], [1]], {}],
    ['a Pad that crops too much', 'Pad', [2, 3], [[-3, 0, 0, 0]], {}],
    ['a Pad in an unknown mode', 'Pad', [2, 3], [[1, 0, 0, 0]], { mode: 'mirror' }],
    ['a Pad with too few counts', 'Pad', [2, 3], [[1, 0]], {}],
    ['a Pad that extends nothing', 'Pad', [2, 3], [[-2, 0, 2, 0]], { mode: 'edge' }],
    ['a Gather from a scalar', 'Gather', [], [[0]], {}],
    ['a Gather of an unknown axis', 'Gather', [2, 3], [[0]], { axis: 2 }],
    ['a GatherND with too many coordinates', 'GatherND', [2, 3], [[0, 0, 0]], {}],
    ['a Resize without a size', 'Resize', [1, 1, 2, 2], [], {}],
  ])('%s', (_, op, shape, lists, attributes) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', shape);
    expect(() => g.op(op, [x, ...lists.map((list) => g.integers(list))], attributes)).toThrow(ShapeError);
  });
});
