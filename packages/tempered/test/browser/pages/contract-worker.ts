/** @file Checks the contract: on the page that imports it, or as a worker that opens a runtime of its own, as an application does that keeps attacks off its page. */
import { contract } from '../../../src/runtime/testing/runtime-contract.ts';
import { createWebRuntime, type WebRuntimeOptions } from '../../../src/web.ts';

export async function checkContract(options: WebRuntimeOptions): Promise<Record<string, string>> {
  const runtime = await createWebRuntime(options);
  const failures: Record<string, string> = {};
  for (const [name, check] of Object.entries(contract)) {
    await check(runtime).catch((error) => {
      failures[name] = String(error);
    });
  }
  await runtime.close();
  return failures;
}

if (!('document' in globalThis)) {
  self.addEventListener('message', async ({ data }: MessageEvent<WebRuntimeOptions>) => {
    self.postMessage(await checkContract(data));
  });
}
