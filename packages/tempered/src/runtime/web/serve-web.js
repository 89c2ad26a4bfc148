/** @file What the browser's two worker files share: each imports its own build of ONNX Runtime and hands it over. */
import { GPU_TYPES, serve } from '../session-host.js';

/** Unless asked for more: each thread is a worker that loads the engine's code anew. */
const MOST_THREADS = 8;

/**
 * @param {Pick<typeof import('onnxruntime-common'), 'InferenceSession' | 'Tensor' | 'env'>} ort
 * @param {'wasm' | 'webgpu'} device
 */
export function serveWeb({ InferenceSession, Tensor, env }, device) {
  const onGpu = device === 'webgpu';
  serve(
    {
      receive: (listener) => self.addEventListener('message', ({ data }) => listener(data)),
      post: (response, transfer) => self.postMessage(response, { transfer }),
    },
    async ({ threads = Math.min(navigator.hardwareConcurrency, MOST_THREADS), wasmPaths, cpuFallback = true }) => {
      // Threads share memory, which a page gets only when it is isolated from other origins.
      const usable = self.crossOriginIsolated ? threads : 1;
      env.logLevel = 'error';
      env.wasm.numThreads = usable;
      if (wasmPaths !== undefined) env.wasm.wasmPaths = wasmPaths;
      const adapter = onGpu ? await describeAdapter() : '';
      return {
        InferenceSession,
        Tensor,
        gpuTypes: onGpu ? GPU_TYPES : [],
        sessionOptions: {
          executionProviders: onGpu ? [{ name: 'webgpu', preferredLayout: 'NCHW' }] : ['wasm'],
          graphOptimizationLevel: 'all',
          executionMode: 'sequential',
          // What goes wrong arrives as an exception; the engine need not print it too.
          logSeverityLevel: 4,
          extra: cpuFallback ? {} : { session: { disable_cpu_ep_fallback: '1' } },
        },
        description: `onnxruntime-web ${env.versions.web ?? env.versions.common}, ${
          onGpu ? `WebGPU (${adapter})` : `WebAssembly, ${usable} ${usable === 1 ? 'thread' : 'threads'}`
        }`,
      };
    },
  );
}

async function describeAdapter() {
  const { gpu } = /** @type {{ gpu?: { requestAdapter(): Promise<{ info?: Record<string, string> } | null> } }} */ (
    navigator
  );
  if (gpu === undefined) throw new Error('this browser has no WebGPU, or the page is not served from a secure address');
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('this browser found no WebGPU adapter: the GPU or its driver is not supported');
  const { vendor, architecture, description } = adapter.info ?? {};
  return [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed adapter';
}
