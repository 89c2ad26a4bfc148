/** @file Gradient files, run by ONNX Runtime as any user would, against central differences. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { smallModel } from '../../src/runtime/small-model.ts';
import { type Folder, tempered, temporaryFolder } from './command.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const SHAPE = [2, 1, 6, 6];
const random = createRandom(3, 'differentiate');
const normals = (shape: readonly number[]) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  random.fillNormal(data, 0, 0.5);
  return data;
};

/** Conv → Tanh → Flatten → Gemm: smooth, so that differences converge everywhere. */
const MODEL = smallModel({
  inputs: { image: { dtype: 'float32', shape: SHAPE } },
  constants: {
    kernel: { dtype: 'float32', shape: [2, 1, 3, 3], data: normals([2, 1, 3, 3]) },
    weight: { dtype: 'float32', shape: [32, 3], data: normals([32, 3]) },
    bias: { dtype: 'float32', shape: [3], data: normals([3]) },
  },
  nodes: [
    { op: 'Conv', inputs: ['image', 'kernel'], outputs: ['a'] },
    { op: 'Tanh', inputs: ['a'], outputs: ['b'] },
    { op: 'Flatten', inputs: ['b'], outputs: ['c'] },
    { op: 'Gemm', inputs: ['c', 'weight', 'bias'], outputs: ['logits'] },
  ],
  outputs: { logits: 'float32' },
});

it('writes the vector-Jacobian product by the input', async () => {
  const model = await folder.write('model.onnx', MODEL);
  const out = folder.file('gradient.onnx');
  const { code, stdout, stderr } = await tempered(['differentiate', model, '--shape', SHAPE.join('x'), '--out', out]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/in +logits_cotangent +float32 \[2, 3\]/);

  const session = await InferenceSession.create(out);
  expect(session.inputNames).toEqual(['image', 'logits_cotangent']);
  expect(session.outputNames).toEqual(['logits', 'image_grad']);
  const image = normals(SHAPE);
  const cotangent = normals([2, 3]);
  const run = (data: Float32Array) =>
    session.run({
      image: new Tensor('float32', data, SHAPE),
      logits_cotangent: new Tensor('float32', cotangent, [2, 3]),
    });
  const product = async (data: Float32Array) => {
    const { logits } = await run(data);
    return (logits!.data as Float32Array).reduce((sum, value, i) => sum + value * cotangent[i]!, 0);
  };
  const { image_grad } = await run(image);
  expect(image_grad!.dims).toEqual(SHAPE);
  const step = 1e-2;
  for (let i = 0; i < image.length; i++) {
    const [up, down] = [image.slice(), image.slice()];
    up[i]! += step;
    down[i]! -= step;
    const difference = ((await product(up)) - (await product(down))) / (2 * step);
    expect((image_grad!.data as Float32Array)[i]).toBeCloseTo(difference, 3);
  }
  await session.release();
});

it('writes one gradient for every parameter', async () => {
  const model = await folder.write('model.onnx', MODEL);
  const out = folder.file('all.onnx');
  const args = ['differentiate', model, '--wrt', 'all', '--shape', SHAPE.join('x'), '--out', out, '--json'];
  const { code, stdout } = await tempered(args);
  expect(code).toBe(0);
  const { outputs } = JSON.parse(stdout);
  expect(Object.fromEntries(outputs.map((o: { name: string; shape: number[] }) => [o.name, o.shape]))).toEqual({
    logits: [2, 3],
    image_grad: SHAPE,
    kernel_grad: [2, 1, 3, 3],
    weight_grad: [32, 3],
    bias_grad: [3],
  });
  const session = await InferenceSession.create(out);
  const cotangent = normals([2, 3]);
  const { bias_grad } = await session.run({
    image: new Tensor('float32', normals(SHAPE), SHAPE),
    logits_cotangent: new Tensor('float32', cotangent, [2, 3]),
  });
  for (let k = 0; k < 3; k++) {
    expect((bias_grad!.data as Float32Array)[k]).toBeCloseTo(cotangent[k]! + cotangent[3 + k]!, 5);
  }
  await session.release();
});
