/** @file Test page: browser runtimes, for the contract and to be driven from outside. */
import type { HostTensor, Program, Runtime } from '../../../src/runtime/runtime.ts';
import { createWebRuntime, type WebRuntimeOptions } from '../../../src/web.ts';
import { checkContract } from './contract-worker.ts';

const runtimes: Runtime[] = [];
const programs: Program[] = [];

const page = {
  ready: true,

  /** Runs every check of the contract; what failed, by name. */
  checkContract,

  /** The same from a worker, in which the runtime's own worker is nested. */
  checkContractInWorker(options: WebRuntimeOptions): Promise<Record<string, string>> {
    const worker = new Worker(new URL('./contract-worker.ts', import.meta.url), { type: 'module' });
    return new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
      worker.postMessage(options);
    });
  },

  /** Why the engine did not start. */
  async failToOpen(options: WebRuntimeOptions): Promise<string> {
    return createWebRuntime(options).then(
      (runtime) => runtime.close().then(() => 'it started'),
      (error) => String(error),
    );
  },

  /** Largest pause between two turns of the page's event loop while a long program runs, and the time it ran: ms. */
  async measurePauses(options: WebRuntimeOptions, model: Uint8Array, feeds: Record<string, HostTensor>) {
    const runtime = await createWebRuntime(options);
    const program = await runtime.compile(model);
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const start = performance.now();
    await program.run(feeds);
    const total = performance.now() - start;
    clearInterval(timer);
    await runtime.close();
    return { longest, total };
  },

  async open(options: WebRuntimeOptions): Promise<{ runtime: number; description: string }> {
    const runtime = await createWebRuntime(options);
    return { runtime: runtimes.push(runtime) - 1, description: runtime.description };
  },
  async compile(runtime: number, model: Uint8Array, label: string | undefined) {
    const program = await runtimes[runtime]!.compile(model, { label });
    const { inputNames, outputNames } = program;
    return { program: programs.push(program) - 1, inputNames, outputNames };
  },
  async run(program: number, feeds: Record<string, HostTensor>): Promise<Record<string, HostTensor>> {
    return { ...(await programs[program]!.run(feeds)).fetched };
  },
  release(program: number): void {
    programs[program]!.release();
  },
  async close(runtime: number): Promise<void> {
    await runtimes[runtime]!.close();
  },
};

export type RuntimePage = { [K in Exclude<keyof typeof page, 'ready'>]: (typeof page)[K] };
Object.assign(globalThis, page);
