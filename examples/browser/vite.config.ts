import { defineConfig } from 'vite';

// A page isolated from other origins gets shared memory, and with it more than one thread.
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  server: { headers },
  preview: { headers },
  worker: { format: 'es' },
  build: { target: 'esnext' },
  // The development server must leave the package's worker files where they are, and prepare what they import.
  optimizeDeps: {
    exclude: ['tempered'],
    include: ['onnxruntime-web/wasm', 'onnxruntime-web/webgpu', '@stdlib/stats-base-dists-beta-quantile'].map(
      (dependency) => `tempered > ${dependency}`,
    ),
  },
});
