/** @file Tries every operator on every provider: Node's CPU, and a browser's WebAssembly and WebGPU. */
import { fileURLToPath } from 'node:url';
import { createNodeRuntime } from '../../src/node.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { type OperatorSupport, selfTest, supportTable } from '../../src/runtime/self-test.ts';
import { openPage } from './harness.ts';
import { openPageRuntime } from './page-runtime.ts';

export interface ProviderTable {
  /** What was measured: engine, version, device. */
  readonly providers: Readonly<Record<Provider, string>>;
  readonly browser: string;
  readonly operators: Readonly<Record<string, ProviderRow>>;
}

type Provider = 'cpu' | 'wasm' | 'webgpu';

type ProviderRow = Readonly<Record<Provider, OperatorSupport['support']>> & {
  /** Cases that do not go like the others of their operator. */
  readonly exceptions?: Readonly<Partial<Record<Provider, readonly string[]>>>;
};

/** Measures in a minute or two; needs Chromium. */
export async function measureProviders(): Promise<ProviderTable> {
  const opened = await openPage(fileURLToPath(new URL('./pages/runtime.ts', import.meta.url)));
  const runtimes: Runtime[] = [];
  const open = async (runtime: Promise<Runtime>) => {
    runtimes.push(await runtime);
    return runtime;
  };
  try {
    const { page } = opened;
    const reference = await open(createNodeRuntime());
    const single = await open(createNodeRuntime({ threads: 1 }));
    const wasm = await open(openPageRuntime(page, { device: 'wasm' }));
    const webgpu = await open(openPageRuntime(page, { device: 'webgpu' }));
    const strictCandidate = await open(openPageRuntime(page, { device: 'webgpu', cpuFallback: false }));
    const measure = async (candidate: Runtime, strict?: Runtime) => {
      const rows = await selfTest({ reference, candidate, strictCandidate: strict });
      return new Map(supportTable(rows).map((row) => [row.operator, row]));
    };
    const tables = {
      cpu: await measure(single),
      wasm: await measure(wasm),
      webgpu: await measure(webgpu, strictCandidate),
    };
    return {
      providers: { cpu: reference.description, wasm: wasm.description, webgpu: webgpu.description },
      browser: `Chromium ${page.context().browser()?.version() ?? ''}`.trim(),
      operators: Object.fromEntries([...tables.cpu.keys()].map((operator) => [operator, summarize(operator, tables)])),
    };
  } finally {
    for (const runtime of runtimes) await runtime.close();
    await opened.close();
  }
}

function summarize(operator: string, tables: Record<Provider, Map<string, OperatorSupport>>): ProviderRow {
  const { cpu, wasm, webgpu } = {
    cpu: tables.cpu.get(operator)!,
    wasm: tables.wasm.get(operator)!,
    webgpu: tables.webgpu.get(operator)!,
  };
  const exceptions = Object.fromEntries(
    Object.entries({ cpu, wasm, webgpu }).flatMap(([provider, row]) =>
      row.exceptions.length > 0 ? [[provider, row.exceptions]] : [],
    ),
  );
  return {
    cpu: cpu.support,
    wasm: wasm.support,
    webgpu: webgpu.support,
    ...(Object.keys(exceptions).length > 0 ? { exceptions } : {}),
  };
}
