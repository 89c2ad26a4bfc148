import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it, vi } from 'vitest';
import type { Request, Response } from './protocol.ts';
import { serve } from './session-host.js';

/** x kept as it is, and as a type that is not brought back. */
function halves(): Uint8Array {
  const g = new GraphBuilder(emptyGraph('halves'));
  const x = g.input('x', 'float32', [2]);
  g.output(g.abs(x), 'same');
  g.output(g.cast(x, 'float16'), 'half');
  return writeModel(g.graph);
}

it('frees the outputs of a run of which one cannot be fetched', async () => {
  const prototype: Tensor = Object.getPrototypeOf(new Tensor('float32', [0], [1]));
  const dispose = vi.spyOn(prototype, 'dispose');
  let send = (_request: Request): void => {};
  let answered = (_response: Response): void => {};
  const receive = (listener: (request: Request) => void) => {
    send = listener;
  };
  serve({ receive, post: (response) => answered(response) }, async () => ({
    InferenceSession,
    Tensor,
    sessionOptions: {},
    gpuTypes: [],
    description: 'test',
  }));
  const call = (request: Request) =>
    new Promise<Response>((resolve) => {
      answered = resolve;
      send(request);
    });
  await call({ id: 1, method: 'open', arguments: { device: 'cpu' } });
  const compiled = await call({ id: 2, method: 'compile', arguments: { model: halves() } });
  expect(compiled).toMatchObject({ result: { program: 1 } });
  const x = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const;
  const failed = await call({
    id: 3,
    method: 'run',
    arguments: { program: 1, feeds: { x }, fetch: ['half'], keep: ['same'] },
  });
  expect(failed).toEqual({ id: 3, error: 'outputs of type float16 are not supported' });
  expect(dispose).toHaveBeenCalledTimes(2);
});
