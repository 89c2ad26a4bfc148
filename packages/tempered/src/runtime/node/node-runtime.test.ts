import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Runtime } from '../runtime.ts';
import { contract, productModel, tensor2x2 } from '../testing/runtime-contract.ts';
import { useSoftwareVulkan } from '../testing/software-vulkan.ts';
import { createNodeRuntime } from './node-runtime.ts';

const noVulkan = useSoftwareVulkan();
if (noVulkan !== undefined) console.warn(`WebGPU in Node is not tested: ${noVulkan}`);

for (const device of ['cpu', 'webgpu'] as const) {
  describe.skipIf(device === 'webgpu' && noVulkan !== undefined)(`Node runtime on ${device}`, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await createNodeRuntime({ device, threads: 2 });
    });
    afterAll(() => runtime.close());

    for (const [name, check] of Object.entries(contract)) it(name, () => check(runtime));

    it('describes itself', () => {
      expect(runtime.device).toBe(device);
      expect(runtime.description).toMatch(device === 'cpu' ? /^onnxruntime-node \d.*, CPU, 2 threads$/ : /WebGPU/);
    });
  });
}

describe('Node runtime', () => {
  it('leaves the event loop free during a long run', async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    const size = 1024;
    const program = await runtime.compile(productModel());
    const a = { dtype: 'float32', shape: [size, size], data: new Float32Array(size * size) } as const;
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 2);
    const start = performance.now();
    for (let i = 0; i < 4; i++) await program.run({ a, b: a });
    const elapsed = performance.now() - start;
    clearInterval(timer);
    await runtime.close();
    expect(ticks).toBeGreaterThan(elapsed / 2 / 4);
  });

  it('keeps memory flat over 1,000 runs', async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    // One tensor kept by every run would be 256 MiB; what waits for the garbage collector is far less.
    const size = 256;
    const program = await runtime.compile(productModel());
    const a = { dtype: 'float32', shape: [size, size], data: new Float32Array(size * size) } as const;
    const runMany = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { kept } = await program.run({ a, b: a }, { keep: ['product'], fetch: ['product'] });
        kept.product!.release();
      }
      return process.memoryUsage().rss;
    };
    const before = await runMany(300);
    const after = await runMany(1000);
    await runtime.close();
    expect((after - before) / 2 ** 20).toBeLessThan(100);
  });

  it('releases the sessions of released programs', async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    const cycle = async (count: number) => {
      for (let i = 0; i < count; i++) (await runtime.compile(productModel(`product${i % 3}`))).release();
      return process.memoryUsage().rss;
    };
    const before = await cycle(50);
    const after = await cycle(100);
    await runtime.close();
    expect((after - before) / 2 ** 20).toBeLessThan(20);
  });

  it('refuses calls after it was closed, and closes twice', async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    const program = await runtime.compile(productModel(), { label: 'product' });
    const resident = await runtime.upload(tensor2x2(1, 2, 3, 4));
    await runtime.close();
    await runtime.close();
    await expect(program.run({ a: resident, b: resident })).rejects.toThrow('product: the runtime is closed');
    await expect(runtime.compile(productModel())).rejects.toThrow('the runtime is closed');
    resident.release();
    program.release();
    await wait(1);
  });

  it('finishes what was under way before it closes', async () => {
    const runtime = await createNodeRuntime({ threads: 1 });
    const program = await runtime.compile(productModel());
    const run = program.run({ a: tensor2x2(1, 0, 0, 1), b: tensor2x2(1, 2, 3, 4) });
    await runtime.close();
    expect([...(await run).fetched.product!.data]).toEqual([1, 2, 3, 4]);
  });

  it('refuses a bad thread count', async () => {
    await expect(createNodeRuntime({ threads: 0 })).rejects.toThrow('positive integer, not 0');
    await expect(createNodeRuntime({ threads: 1.5 })).rejects.toThrow('positive integer, not 1.5');
  });
});
