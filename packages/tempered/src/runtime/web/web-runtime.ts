import { UsageError } from '../../errors.ts';
import type { OpenArguments, Response } from '../protocol.ts';
import { type Channel, type ChannelEvents, createRemoteRuntime } from '../remote-runtime.ts';
import type { Runtime } from '../runtime.ts';

export interface WebRuntimeOptions {
  device: 'wasm' | 'webgpu';
  /**
   * Threads of the WebAssembly build; default: as many as the machine runs at once, up to 8. More than one needs a page that is
   * cross-origin isolated; otherwise one is used, as `description` then says.
   */
  threads?: number;
  /** Whether WebGPU may leave operators it lacks to the CPU (default); otherwise it refuses programs with such operators. */
  cpuFallback?: boolean;
  /** Where ONNX Runtime's .wasm (and .mjs) files are, when the bundler does not place them itself. */
  wasmPaths?: OpenArguments['wasmPaths'];
}

/**
 * Starts ONNX Runtime in a Web Worker, from a page or from another worker.
 *
 * Throws UsageError for a thread count that is not a positive integer, and DeviceError when the device is not there.
 *
 * @example
 * const runtime = await createWebRuntime({ device: 'gpu' in navigator ? 'webgpu' : 'wasm' });
 */
export async function createWebRuntime(options: WebRuntimeOptions): Promise<Runtime> {
  const { device, threads, cpuFallback, wasmPaths } = options;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new UsageError(`the number of threads must be a positive integer, not ${threads}`);
  }
  // Bundlers find a worker's file only in exactly this form.
  const worker =
    device === 'webgpu'
      ? new Worker(new URL('./webgpu-worker.js', import.meta.url), { type: 'module' })
      : new Worker(new URL('./wasm-worker.js', import.meta.url), { type: 'module' });
  return createRemoteRuntime((events) => connect(worker, events), { device, threads, cpuFallback, wasmPaths });
}

function connect(worker: Worker, { onResponse, onDeath }: ChannelEvents): Channel {
  worker.addEventListener('message', ({ data }: MessageEvent<Response>) => onResponse(data));
  worker.addEventListener('error', ({ message }) => onDeath(message || 'its worker could not be loaded'));
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    setBusy: () => {},
    terminate: async () => worker.terminate(),
  };
}
