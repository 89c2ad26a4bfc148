/** @file Lets tests use Node's WebGPU on machines without a GPU: SwiftShader, which Chromium brings along. */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const RTLD_NODELETE = 0x1000;

/**
 * Points the Vulkan loader of this process at SwiftShader; call it before the first WebGPU runtime.
 *
 * @returns why there is no software WebGPU here, or undefined when there is
 */
export function useSoftwareVulkan(): string | undefined {
  if (!existsSync(DRIVER)) return `no software Vulkan driver at ${DRIVER}`;
  process.env.VK_DRIVER_FILES = DRIVER;
  const loader = join(dirname(DRIVER), 'libvulkan.so.1');
  if (existsSync(loader)) {
    // Node complains that the library is no add-on, after it has been loaded; from then on it is found by its name.
    try {
      process.dlopen({ exports: {} }, loader, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    } catch (error) {
      if (!/self-register/.test(String(error))) return String(error);
    }
  }
  return undefined;
}
