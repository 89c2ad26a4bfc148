/** Logits and input gradients of thirteen architectures against PyTorch in float64, on every engine but the plain CPU. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decompose, GraphBuilder, gradient, parseModel, specialize, type Value, writeModel } from 'onnx-grad';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNpy, relativeError } from '../../../onnx-grad/src/testing/npy.ts';
import { feed, oneHot } from '../../src/models/batching.ts';
import { createNodeRuntime } from '../../src/node.ts';
import { objectives } from '../../src/objectives/objectives.ts';
import type { HostTensor, Runtime } from '../../src/runtime/runtime.ts';
import { useSoftwareVulkan } from '../../src/runtime/testing/software-vulkan.ts';
import { type OpenPage, openPage, whyNoBrowser } from './harness.ts';
import { openPageRuntime } from './page-runtime.ts';

const FIXTURES = fileURLToPath(new URL('../../../../../shared/fixtures/pytorch-gradients', import.meta.url));
const TOLERANCE = 1e-4;

const names = existsSync(FIXTURES) ? readdirSync(FIXTURES) : [];
const noBrowser = whyNoBrowser();
const noVulkan = useSoftwareVulkan();
for (const reason of [names.length === 0 ? `no fixtures at ${FIXTURES}` : undefined, noBrowser, noVulkan])
  if (reason !== undefined) console.warn(`gradients of the fixtures are not all tested: ${reason}`);

interface Fixture {
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  readonly expected: Readonly<Record<Quantity, ArrayLike<number>>>;
}

const QUANTITIES = ['logits', 'grad_logit', 'grad_ce'] as const;
type Quantity = (typeof QUANTITIES)[number];

/** The model, its target logit and its loss, both differentiated by the input: one graph with three outputs. */
function readFixture(name: string): Fixture {
  const read = (file: string) => readNpy(`${FIXTURES}/${name}/${file}.npy`);
  const { targets } = JSON.parse(readFileSync(`${FIXTURES}/${name}/meta.json`, 'utf8')) as { targets: number[] };
  const parsed = parseModel(readFileSync(`${FIXTURES}/${name}/model.onnx`));
  const input = parsed.inputs[0]!.name;
  const image = read('input');
  const expected = { logits: read('logits'), grad_logit: read('grad_logit'), grad_ce: read('grad_ce') };
  const graph = specialize(parsed, { [input]: image.shape });

  const g = new GraphBuilder(graph);
  const logits = g.value(graph.outputs[0]!.name);
  const target = g.input('target', 'float32', logits.shape);
  const byInput = (of: Value) => gradient(g, { of, wrt: [g.value(input)] })[0]!;
  graph.outputs.length = 0;
  g.output(logits, 'out_logits');
  g.output(byInput(objectives.logit.build(g, logits, target)), 'out_grad_logit');
  g.output(byInput(objectives['cross-entropy'].build(g, logits, target)), 'out_grad_ce');
  return {
    model: writeModel(decompose(graph)),
    feeds: {
      [input]: feed({ shape: image.shape, data: Float32Array.from(image.data) }),
      target: feed(oneHot(targets, expected.logits.shape[1]!)),
    },
    expected: { logits: expected.logits.data, grad_logit: expected.grad_logit.data, grad_ce: expected.grad_ce.data },
  };
}

describe.skipIf(names.length === 0)('gradients of PyTorch models', () => {
  const table: Record<string, Record<string, string>> = {};
  let opened: OpenPage | undefined;
  beforeAll(async () => {
    if (noBrowser !== undefined) return;
    opened = await openPage(fileURLToPath(new URL('./pages/runtime.ts', import.meta.url)));
  });
  afterAll(async () => {
    await opened?.close();
    console.log('largest relative errors of logits, gradient of a logit and gradient of the loss:');
    console.table(table);
  });

  const engines: readonly (readonly [string, string | undefined, () => Promise<Runtime>])[] = [
    ['wasm in Chromium', noBrowser, () => openPageRuntime(opened!.page, { device: 'wasm', threads: 2 })],
    ['WebGPU in Chromium', noBrowser, () => openPageRuntime(opened!.page, { device: 'webgpu', threads: 2 })],
    ['WebGPU in Node', noVulkan, () => createNodeRuntime({ device: 'webgpu', threads: 2 })],
  ];
  describe.each(engines)('%s', (engine, whyNot, open) => {
    let runtime: Runtime;
    beforeAll(async () => {
      if (whyNot === undefined) runtime = await open();
    });
    afterAll(() => runtime?.close());

    it.skipIf(whyNot !== undefined).each(names)('%s', async (name) => {
      const { model, feeds, expected } = readFixture(name);
      const program = await runtime.compile(model, { label: name });
      const { fetched } = await program.run(feeds);
      program.release();
      const errors = QUANTITIES.map((what) =>
        relativeError(fetched[`out_${what}`]!.data as Float32Array, expected[what]),
      );
      table[name] = { ...table[name], [engine]: errors.map((error) => error.toExponential(0)).join(' ') };
      for (const error of errors) expect(error).toBeLessThanOrEqual(TOLERANCE);
    });
  });
});
