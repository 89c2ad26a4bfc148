/** @file A page that explains images, for `attributions.test.ts`. */
import { Classifier, type Runtime } from '../../../src/index.ts';
import { createWebRuntime } from '../../../src/web.ts';
import { type AttributionCase, explain, smallNetwork } from '../attribution-cases.ts';

let runtime: Runtime | undefined;
const model = smallNetwork();

const functions = {
  /** Starts an engine; what it is. */
  async open(device: 'wasm' | 'webgpu'): Promise<string> {
    await runtime?.close();
    runtime = await createWebRuntime({ device, threads: 1 });
    return runtime.description;
  },

  async explain(attributionCase: AttributionCase) {
    const classifier = new Classifier(model, runtime!);
    try {
      const { attributions, output } = await explain(classifier, attributionCase);
      return { shape: attributions.shape, data: attributions.data, output };
    } finally {
      await classifier.release();
    }
  },
};

export type AttributionsPage = typeof functions;

Object.assign(globalThis, { attributionsPage: functions, ready: true });
