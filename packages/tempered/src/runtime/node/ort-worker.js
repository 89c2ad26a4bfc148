/** @file The worker thread that owns ONNX Runtime's sessions in Node, where `session.run` blocks the thread it is on. */
import { parentPort } from 'node:worker_threads';
import ort from 'onnxruntime-node';
import { GPU_TYPES, serve } from '../session-host.js';

/**
 * Threads that wait sleep instead of spinning. With other work on the machine, a spinning engine took 2 to 5 times as
 * long (6 small convolutions, 2 cores); alone, waking costs microseconds. Denormal numbers stay as they are: they cost
 * nothing measurable, and the sign of a vanishing gradient counts in an attack.
 */
const QUIET_WAITING = { intra_op: { allow_spinning: '0' } };

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
      extra: { session: { ...QUIET_WAITING, ...(cpuFallback ? {} : { disable_cpu_ep_fallback: '1' }) } },
    },
    description: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}, ${
      device === 'webgpu' ? 'WebGPU' : `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    }`,
  }),
);
