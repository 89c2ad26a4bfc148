import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import type { Response } from './protocol.ts';
import { type Channel, type ChannelEvents, createRemoteRuntime } from './remote-runtime.ts';
import { productModel } from './testing/runtime-contract.ts';

/** A worker that opens, and then answers the next call with `failure`. */
const failingWorker = (failure: string): ((events: ChannelEvents) => Channel) => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', ({ id, method }) => {
      if (method === 'open') parentPort.postMessage({ id, result: { description: 'test', gpuTypes: [] } });
      else { ${failure} }
    });`;
  return ({ onResponse, onDeath }) => {
    const worker = new Worker(source, { eval: true });
    worker.on('message', (response: Response) => onResponse(response));
    worker.on('error', (error) => onDeath(String(error)));
    worker.on('exit', (code) => onDeath(`its worker thread ended with code ${code}`));
    return {
      post: (request, transfer) => worker.postMessage(request, transfer),
      setBusy: () => {},
      terminate: async () => {
        await worker.terminate();
      },
    };
  };
};

it.each([
  ['throws', "throw new Error('out of memory')", 'the cpu engine stopped: out of memory'],
  ['exits', 'process.exit(7)', 'the cpu engine stopped: its worker thread ended with code 7'],
])('rejects what is under way, and all that follows, when the worker %s', async (_, failure, message) => {
  const runtime = await createRemoteRuntime(failingWorker(failure), { device: 'cpu' });
  const tensor = { dtype: 'float32', shape: [1], data: new Float32Array(1) } as const;
  const calls = [runtime.upload(tensor), runtime.upload(tensor), runtime.compile(productModel(), { label: 'loss' })];
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.map((outcome) => outcome.status === 'rejected' && String(outcome.reason))).toEqual([
    `DeviceError: ${message}`,
    `DeviceError: ${message}`,
    `DeviceError: loss: ${message}`,
  ]);
  await expect(runtime.upload(tensor)).rejects.toThrow(message);
  await runtime.close();
});

it('compiles the same bytes once, and again after a failure', async () => {
  const compilations: number[] = [];
  const answers = [{ error: 'no memory' }, { result: { program: 1, inputNames: [], outputNames: [] } }];
  const runtime = await createRemoteRuntime(
    ({ onResponse }) => ({
      post({ id, method }) {
        if (method === 'compile') compilations.push(id);
        const answer = method === 'compile' ? answers[compilations.length - 1]! : { result: null };
        const opened = { result: { description: 'test', gpuTypes: [] } };
        queueMicrotask(() => onResponse({ id, ...(method === 'open' ? opened : answer) }));
      },
      setBusy: () => {},
      terminate: async () => {},
    }),
    { device: 'cpu' },
  );
  await expect(runtime.compile(productModel())).rejects.toThrow('no memory');
  const programs = await Promise.all([runtime.compile(productModel()), runtime.compile(productModel())]);
  expect(compilations).toHaveLength(2);
  for (const program of programs) program.release();
  await runtime.close();
});

it('holds the process only while a call is under way', async () => {
  const busy: boolean[] = [];
  const runtime = await createRemoteRuntime(
    ({ onResponse }) => ({
      post: ({ id }) => queueMicrotask(() => onResponse({ id, result: { description: 'test', gpuTypes: [] } })),
      setBusy: (state) => busy.push(state),
      terminate: async () => {},
    }),
    { device: 'cpu' },
  );
  expect(busy).toEqual([true, false]);
  await Promise.all([runtime.compile(productModel('a')), runtime.compile(productModel('b'))]);
  expect(busy.at(-1)).toBe(false);
});
