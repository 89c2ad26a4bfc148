/** Attributions in a browser against those of Node's CPU: every method, on both engines. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../../../onnx-grad/src/testing/npy.ts';
import { methodCatalogue } from '../../src/attribution/catalogue.ts';
import { Classifier, createNodeRuntime, type Runtime } from '../../src/node.ts';
import { type AttributionCase, CASES, explain, smallNetwork } from './attribution-cases.ts';
import { type OpenPage, openPage, whyNoBrowser } from './harness.ts';
import type { AttributionsPage } from './pages/attributions.ts';

const skipReason = whyNoBrowser();
if (skipReason !== undefined) console.warn(skipReason);

declare const attributionsPage: AttributionsPage;

const TOLERANCES = { wasm: 1e-5, webgpu: 1e-4 };

const nameOf = ({ method, of, layer }: AttributionCase): string =>
  [
    method,
    ...(of === undefined ? [] : [`of ${JSON.stringify(of)}`]),
    ...(layer === undefined ? [] : [`at ${layer}`]),
  ].join(' ');

it('leaves out no method', () => {
  const tried = new Set(CASES.map(({ method }) => method.split(':')[0]));
  expect(Object.keys(methodCatalogue).filter((name) => !tried.has(name))).toEqual([]);
});

describe.skipIf(skipReason !== undefined)('attributions in a browser', () => {
  const errors: Record<string, Record<string, string>> = {};
  let opened: OpenPage;
  let cpu: Runtime;
  let classifier: Classifier;
  beforeAll(async () => {
    cpu = await createNodeRuntime({ threads: 1 });
    classifier = new Classifier(smallNetwork(), cpu);
    opened = await openPage(fileURLToPath(new URL('./pages/attributions.ts', import.meta.url)));
  });
  afterAll(async () => {
    await opened?.close();
    await cpu?.close();
    console.log('largest differences, relative to the largest attribution:');
    console.table(errors);
  });

  describe.each(['wasm', 'webgpu'] as const)('%s', (device) => {
    beforeAll(async () => {
      console.log(await opened.page.evaluate((name) => attributionsPage.open(name), device));
    });

    it.each(CASES.map((each) => [nameOf(each), each] as const))('%s', async (name, attributionCase) => {
      const expected = await explain(classifier, attributionCase);
      const found = await opened.page.evaluate((each) => attributionsPage.explain(each), attributionCase);
      const error = relativeError(found.data, expected.attributions.data);
      errors[name] = { ...errors[name], [device]: error.toExponential(0) };
      expect(expected.attributions.data.some((value) => value !== 0)).toBe(true);
      expect(found.shape).toEqual(expected.attributions.shape);
      expect(relativeError(found.output, expected.output)).toBeLessThanOrEqual(TOLERANCES[device]);
      // Where adaptive rules put their points hangs on rounding: they promise no more than the error they state.
      const stated = expected.certificate?.quadratureError ?? [];
      expect(error).toBeLessThanOrEqual(Math.max(TOLERANCES[device], ...stated));
    });
  });
});
