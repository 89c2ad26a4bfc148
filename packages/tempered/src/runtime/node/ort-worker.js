/** @file The worker thread that owns ONNX Runtime's sessions in Node, where `session.run` blocks the thread it is on. */
import { parentPort } from 'node:worker_threads';
import ort from 'onnxruntime-node';
import { GPU_TYPES, serve } from '../session-host.js';

const port = parentPort;
if (port === null) throw new Error('ort-worker.js runs in a worker thread only');

serve(
  {
    receive: (listener) => port.on('message', listener),
    post: (response, transfer) => port.postMessage(response, transfer),
  },
  async ({ device, threads = 1, cpuFallback = true }) => ({
    InferenceSession: ort.InferenceSession,
    Tensor: ort.Tensor,
    gpuTypes: device === 'webgpu' ? GPU_TYPES : [],
    sessionOptions: {
      executionProviders: device === 'webgpu' ? [{ name: 'webgpu', preferredLayout: 'NCHW' }] : ['cpu'],
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // What goes wrong arrives as an exception; the engine need not print it too.
      logSeverityLevel: 4,
      extra: cpuFallback ? {} : { session: { disable_cpu_ep_fallback: '1' } },
    },
    description: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}, ${
      device === 'webgpu' ? 'WebGPU' : `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    }`,
  }),
);
