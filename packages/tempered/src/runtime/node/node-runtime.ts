import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DeviceError, UsageError } from '../../errors.ts';
import type { Response } from '../protocol.ts';
import { type Channel, type ChannelEvents, createRemoteRuntime } from '../remote-runtime.ts';
import type { Runtime } from '../runtime.ts';

export interface NodeRuntimeOptions {
  /** Default 'cpu'. */
  device?: 'cpu' | 'webgpu';
  /** Threads inside one operator; default: as many as the machine runs at once. */
  threads?: number;
  /** Whether WebGPU may leave operators it lacks to the CPU (default); otherwise it refuses programs with such operators. */
  cpuFallback?: boolean;
}

/**
 * Starts ONNX Runtime in a worker thread. The thread keeps the process alive only while a call is under way.
 *
 * Throws UsageError for a thread count that is not a positive integer, and DeviceError when the device is not there.
 *
 * @example
 * const runtime = await createNodeRuntime({ device: 'cpu' });
 * const program = await runtime.compile(bytes, { label: 'gradient' });
 * const { fetched } = await program.run({ x: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) } });
 */
export async function createNodeRuntime(options: NodeRuntimeOptions = {}): Promise<Runtime> {
  const { device = 'cpu', threads = availableParallelism(), cpuFallback } = options;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new UsageError(`the number of threads must be a positive integer, not ${threads}`);
  }
  return createRemoteRuntime(connectWorker, { device, threads, cpuFallback }).catch((error) => {
    throw error instanceof DeviceError && /adapter/i.test(error.message) ? new DeviceError(NO_ADAPTER) : error;
  });
}

const NO_ADAPTER =
  'onnxruntime-node found no WebGPU adapter: it needs a Vulkan driver and loader on Linux (packages mesa-vulkan-drivers ' +
  'and libvulkan1), Direct3D 12 on Windows, Metal on macOS; to render in software on Linux with Chromium installed, set ' +
  'LD_LIBRARY_PATH=/usr/lib/chromium and VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json';

function connectWorker({ onResponse, onDeath }: ChannelEvents): Channel {
  const worker = new Worker(new URL('./ort-worker.js', import.meta.url));
  worker.on('message', (response: Response) => onResponse(response));
  worker.on('error', (error) => onDeath(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => onDeath(`its worker thread ended with code ${code}`));
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    setBusy: (busy) => (busy ? worker.ref() : worker.unref()),
    terminate: async () => {
      await worker.terminate();
    },
  };
}
