import { InferenceSession } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { emptyGraph } from './graph.ts';
import { writeModel } from './write.ts';

test('ONNX Runtime runs a written graph', async () => {
  const graph = emptyGraph('scaled');
  graph.inputs.push({ name: 'x', dtype: 'float32', shape: ['N', 2] });
  graph.outputs.push({ name: 'y', dtype: 'float32', shape: ['N', 2] });
  graph.initializers.set('w', { dtype: 'float32', shape: [2], data: Float32Array.of(2, -3) });
  graph.nodes.push(
    { name: 'm', op: 'Mul', domain: '', inputs: ['x', 'w'], outputs: ['xw'], attributes: {} },
    {
      name: 'l',
      op: 'LeakyRelu',
      domain: '',
      inputs: ['xw'],
      outputs: ['y'],
      attributes: { alpha: { kind: 'float', value: 0.5 } },
    },
  );
  const session = await InferenceSession.create(writeModel(graph));
  const { Tensor } = await import('onnxruntime-node');
  const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 2, -1, -2), [2, 2]) });
  expect([...(y!.data as Float32Array)]).toEqual([2, -3, -1, 6]);
  await session.release();
});
