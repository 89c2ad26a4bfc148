import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeRuntime } from '../../src/node.ts';
import { selfTest } from '../../src/runtime/self-test.ts';
import { productModel } from '../../src/runtime/testing/runtime-contract.ts';
import { type OpenPage, openPage, whyNoBrowser } from './harness.ts';
import { callPage, openPageRuntime } from './page-runtime.ts';

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
    ['webgpu', /^onnxruntime-web \d\S*, WebGPU \(.+\)$/],
  ] as const)('describes itself on %s', async (device, description) => {
    const runtime = await openPageRuntime(opened.page, { device, threads: 2 });
    expect(runtime.description).toMatch(description);
    await runtime.close();
  });

  it.each(['wasm', 'webgpu'] as const)('keeps the contract on %s', async (device) => {
    expect(await callPage(opened.page, 'checkContract', { device, threads: 2 })).toEqual({});
  });

  it('keeps the contract inside another worker', async () => {
    expect(await callPage(opened.page, 'checkContractInWorker', { device: 'wasm', threads: 2 })).toEqual({});
  });

  it.each(['wasm', 'webgpu'] as const)('computes on %s what Node does on its CPU', async (device) => {
    const reference = await createNodeRuntime({ threads: 1 });
    const candidate = await openPageRuntime(opened.page, { device, threads: 2 });
    const rows = await selfTest({ reference, candidate });
    await Promise.all([reference.close(), candidate.close()]);
    // ONNX Runtime refuses a lone Dropout beside WebGPU; specialised graphs have none.
    expect(rows.filter((row) => row.verdict !== 'ok' && row.operator !== 'Dropout')).toEqual([]);
  });

  it('leaves the page free during a long run', async () => {
    const size = 1024;
    const a = { dtype: 'float32', shape: [size, size], data: new Float32Array(size * size) } as const;
    const options = { device: 'wasm', threads: 1 } as const;
    const { longest, total } = await callPage(opened.page, 'measurePauses', options, productModel(), { a, b: a });
    expect(longest).toBeLessThan(total / 2);
  });

  it('says so when its files cannot be loaded', async () => {
    const message = await callPage(opened.page, 'failToOpen', { device: 'wasm', wasmPaths: '/nowhere/' });
    expect(message).toMatch(/^DeviceError: /);
  });
});
