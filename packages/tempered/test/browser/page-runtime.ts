/** @file A browser's runtime, driven from Node: so that one process can compare it with Node's own. */
import type { Page } from 'playwright-core';
import { DeviceError } from '../../src/errors.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { WebRuntimeOptions } from '../../src/web.ts';
import type { RuntimePage } from './pages/runtime.ts';

/** Opens a runtime on `pages/runtime.ts`. It compiles and runs; tensors do not stay with it. */
export async function openPageRuntime(page: Page, options: WebRuntimeOptions): Promise<Runtime> {
  const { runtime, description } = await callPage(page, 'open', options);
  return {
    device: options.device,
    description,
    async compile(model, { label } = {}) {
      const { program, inputNames, outputNames } = await callPage(page, 'compile', runtime, model, label);
      return {
        inputNames,
        outputNames,
        run: async (feeds) => {
          const tensors = Object.entries(feeds).map(([name, feed]) => {
            if ('resident' in feed) throw new DeviceError('resident tensors do not cross to a page');
            return [name, feed] as const;
          });
          return { fetched: await callPage(page, 'run', program, Object.fromEntries(tensors)), kept: {} };
        },
        release: () => void callPage(page, 'release', program),
      };
    },
    upload: () => Promise.reject(new DeviceError('resident tensors do not cross to a page')),
    close: () => callPage(page, 'close', runtime),
  };
}

/** Calls one of the page's functions; errors of the device come back as such. */
export async function callPage<K extends keyof RuntimePage>(
  page: Page,
  name: K,
  ...args: Parameters<RuntimePage[K]>
): Promise<Awaited<ReturnType<RuntimePage[K]>>> {
  const answer = await page.evaluate(
    async ({ name, args }) => {
      const call: (...args: unknown[]) => Promise<unknown> = Reflect.get(globalThis, name);
      try {
        return { value: await call(...args) };
      } catch (error) {
        return { error: error instanceof Error ? error.message : String(error) };
      }
    },
    { name, args: args as unknown[] },
  );
  if (answer.error !== undefined) throw new DeviceError(answer.error);
  return answer.value as Awaited<ReturnType<RuntimePage[K]>>;
}
