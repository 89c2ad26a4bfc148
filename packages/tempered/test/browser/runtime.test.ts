import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenPage, openPage, whyNoBrowser } from './harness.ts';
import type { RuntimePage } from './pages/runtime.ts';

const skipReason = whyNoBrowser();
if (skipReason !== undefined) console.warn(skipReason);

describe.skipIf(skipReason !== undefined)('browser runtime', () => {
  let opened: OpenPage;
  beforeAll(async () => {
    opened = await openPage(fileURLToPath(new URL('./pages/runtime.ts', import.meta.url)));
  });
  afterAll(() => opened?.close());

  it.each([
    ['wasm', /^onnxruntime-web \d\S*, WebAssembly, 2 threads$/],
    ['webgpu', /^onnxruntime-web \d\S*, WebGPU \(.*\)$/],
  ] as const)('keeps the contract on %s', async (device, description) => {
    const report = await opened.page.evaluate(
      (options) => (globalThis as typeof globalThis & RuntimePage).checkContract(options),
      { device, threads: 2 },
    );
    expect(report.failures).toEqual({});
    expect(report.description).toMatch(description);
  });
});
