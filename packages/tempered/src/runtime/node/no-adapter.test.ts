import { expect, it } from 'vitest';
import { createNodeRuntime } from './node-runtime.ts';

// Takes every Vulkan driver away, so that there is no adapter on machines that have one; only Linux finds them so.
it.skipIf(process.platform !== 'linux')('says how to get a WebGPU adapter where there is none', async () => {
  process.env.VK_DRIVER_FILES = '/nonexistent.json';
  await expect(createNodeRuntime({ device: 'webgpu' })).rejects.toThrow(
    /^onnxruntime-node found no WebGPU adapter: .* Vulkan driver .* VK_DRIVER_FILES=/,
  );
});
