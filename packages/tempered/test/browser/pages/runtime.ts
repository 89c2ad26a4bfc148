/** @file Test page: checks a browser runtime against the contract. */
import { contract } from '../../../src/runtime/testing/runtime-contract.ts';
import { createWebRuntime, type WebRuntimeOptions } from '../../../src/web.ts';

interface ContractReport {
  description: string;
  failures: Record<string, string>;
}

async function checkContract(options: WebRuntimeOptions): Promise<ContractReport> {
  const runtime = await createWebRuntime(options);
  const failures: Record<string, string> = {};
  for (const [name, check] of Object.entries(contract)) {
    await check(runtime).catch((error) => {
      failures[name] = String(error);
    });
  }
  await runtime.close();
  return { description: runtime.description, failures };
}

const page = { ready: true, checkContract };
export type RuntimePage = typeof page;
Object.assign(globalThis, page);
