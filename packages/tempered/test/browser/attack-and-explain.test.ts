/** The example page, used as a person would: a model and a picture are picked, attacked and explained, on each engine. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Result, View } from '../../../../examples/browser/protocol.ts';
import { relativeError } from '../../../onnx-grad/src/testing/npy.ts';
import {
  adam,
  attribute,
  Classifier,
  centreSquare,
  createModel,
  createNodeRuntime,
  decodeImage,
  encodePng,
  integratedGradients,
  perturb,
  pgd,
  predict,
  predictLogits,
  type Runtime,
  readModel,
  renderImage,
  resize,
  SHAPES_CLASSES,
  shapes,
  type Tensor,
  train,
  writeModelFile,
} from '../../src/node.ts';
import { type OpenPage, openSite, whyNoBrowser } from './harness.ts';

const EXAMPLE = fileURLToPath(new URL('../../../../examples/browser', import.meta.url));
const MNIST_MODEL = fileURLToPath(new URL('../../../../../shared/models/mnist-small-adv.onnx', import.meta.url));
const TOLERANCE = 1e-4;
const STEPS = 20;

const skipReason = whyNoBrowser();
if (skipReason !== undefined) console.warn(skipReason);
const noMnist = existsSync(MNIST_MODEL) ? undefined : `no published model at ${MNIST_MODEL}`;
if (noMnist !== undefined) console.warn(noMnist);

interface Picked {
  readonly model: Uint8Array;
  /** A PNG file. */
  readonly image: Uint8Array;
  /** In 255ths. */
  readonly epsilon: number;
  readonly success: boolean;
}

/** A model of ours, trained just enough to have an opinion, and a picture larger than its input and not square. */
async function shapesModel(runtime: Runtime): Promise<Picked> {
  const model = createModel({ architecture: 'small-cnn', inputShape: [3, 32, 32], classes: SHAPES_CLASSES });
  const dataset = shapes({ split: 'train', count: 3000 });
  const trained = await train({ runtime, model, dataset, epochs: 3, optimizer: adam(), learningRate: 2e-3 });
  const { images } = shapes({ split: 'test', count: 1 }).batch([0]);
  const picture = sharp(await encodePng(renderImage(images)));
  const image = await picture.resize(60, 48, { kernel: 'nearest', fit: 'fill' }).png().toBuffer();
  return { model: writeModelFile(trained.model), image, epsilon: 8, success: true };
}

/** A published robust model, and a seven drawn by hand. */
async function mnistModel(): Promise<Picked> {
  const seven =
    '<svg xmlns="http://www.w3.org/2000/svg" width="56" height="56"><rect width="56" height="56"/>' +
    '<path d="M15 14 H40 L25 44" fill="none" stroke="white" stroke-width="5" stroke-linecap="round"/></svg>';
  const image = await sharp(Buffer.from(seven)).png().toBuffer();
  return { model: new Uint8Array(await readFile(MNIST_MODEL)), image, epsilon: 25.5, success: false };
}

describe.skipIf(skipReason !== undefined)('attack and explain on a page', () => {
  let opened: OpenPage;
  let page: Page;
  let cpu: Runtime;
  const picked: Record<string, Picked> = {};
  beforeAll(async () => {
    cpu = await createNodeRuntime({ threads: 2 });
    picked.shapes = await shapesModel(cpu);
    if (noMnist === undefined) picked.mnist = await mnistModel();
    opened = await openSite(EXAMPLE);
    page = opened.page;
  });
  beforeEach(() => page.reload());
  afterAll(async () => {
    await opened?.close();
    await cpu?.close();
  });

  const pick = (input: 'model' | 'image', name: string, content: Uint8Array) =>
    page.setInputFiles(`#${input}`, { name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });
  const button = () => page.getByRole('button', { name: 'Attack and explain' });
  const problem = () => page.getByRole('alert').textContent({ timeout: 60_000 });

  /** Picks model and picture, presses the button and waits; the numbers come from the file the page offers. */
  async function use(device: 'wasm' | 'webgpu', { model, image, epsilon }: Picked) {
    await page.selectOption('#device', device);
    await pick('model', 'model.onnx', model);
    await pick('image', 'picture.png', image);
    await page.fill('#epsilon', String(epsilon));
    await page.fill('#steps', String(STEPS));
    await page.getByText('Model ready').waitFor();
    await watchPauses(page);
    await button().click();
    await page.locator('#results').or(page.locator('#problem:not([hidden])')).first().waitFor({ timeout: 120_000 });
    expect((await page.locator('#problem').isVisible()) && (await problem())).toBe(false);
    const pauses: Pauses = await page.evaluate('pauses');
    const result: Result = await page.evaluate(async () =>
      (await fetch(document.querySelector<HTMLAnchorElement>('#numbers')!.href)).json(),
    );
    return { result, pauses };
  }

  describe.each(['shapes', 'mnist'])('%s model', (name) => {
    let expected: Result;
    beforeAll(async () => {
      const files = picked[name];
      if (files !== undefined) expected = await inNode(cpu, files);
    });

    it.skipIf(name === 'mnist' && noMnist !== undefined).each(['wasm', 'webgpu'] as const)(
      '%s: the numbers of the CPU in Node, while the page stays free',
      async (device) => {
        const files = picked[name]!;
        const { result: found, pauses } = await use(device, files);
        console.log(
          `${name} on ${device}: ${found.seconds.toFixed(1)} s, longest pause of the page ${pauses.longest.toFixed(0)} ms, ${pauses.frames} frames`,
        );
        // Were the work done on the page, it would be one pause.
        expect(pauses.longest).toBeLessThan(1000 * found.seconds * 0.7);

        expectClose(found.natural, expected.natural);
        expect(found.adversarial.prediction).toBe(expected.adversarial.prediction);
        expect(found.success).toBe(expected.success);
        expect(found.success).toBe(files.success);
        const epsilon = files.epsilon / 255;
        const { data: natural } = expected.natural.image;
        const moved = Float64Array.from(found.adversarial.image.data, (value, i) => Math.abs(value - natural[i]!));
        expect(moved).toHaveLength(natural.length);
        expect(Math.max(...moved)).toBeLessThanOrEqual(epsilon + 1e-6);
        expect(found.distance).toBeGreaterThan(0.9 * epsilon);

        for (const figure of ['natural', 'adversarial', 'perturbation', 'natural-map', 'adversarial-map'])
          expect(await coloursOf(page, `#${figure} canvas`), figure).toBeGreaterThan(2);
        if (process.env.SCREENSHOTS)
          await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${device}.png`, fullPage: true });
      },
    );
  });

  it('says in one sentence what is wrong with a file', async () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) % 251);
    await pick('model', 'noise.onnx', noise);
    expect(await problem()).toBe('noise.onnx: not an ONNX file.');
    expect(await button().isDisabled()).toBe(true);
    if (process.env.SCREENSHOTS)
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/bad-file.png`, fullPage: true });

    await page.selectOption('#device', 'wasm');
    await pick('model', 'model.onnx', picked.shapes!.model);
    await pick('image', 'noise.png', noise);
    await page.getByText('Model ready').waitFor();
    await button().click();
    expect(await problem()).toBe('noise.png: not an image that this browser can read.');
  });
});

function expectClose(found: View, expected: View): void {
  expect(relativeError(found.image.data, expected.image.data)).toBeLessThan(1e-6);
  expect(found.prediction).toBe(expected.prediction);
  expect(relativeError(found.logits.data, expected.logits.data)).toBeLessThanOrEqual(TOLERANCE);
  expect(relativeError(found.attribution.data, expected.attribution.data)).toBeLessThanOrEqual(TOLERANCE);
}

/** What the page computes, on Node's CPU. */
async function inNode(runtime: Runtime, { model, image, epsilon }: Picked): Promise<Result> {
  const description = readModel(model);
  const classifier = new Classifier(description, runtime);
  const [channels, height, width] = description.inputShape as [1 | 3, number, number];
  const images = resize(centreSquare(await decodeImage(image, { channels })), height, width);
  const labels = await predict(classifier, images);
  const view = async (tensor: Tensor): Promise<View> => {
    const logits = await predictLogits(classifier, tensor);
    const [prediction] = await predict(classifier, tensor);
    const method = integratedGradients({ steps: 32 });
    const { attributions } = await attribute(classifier, { images: tensor, method, target: labels });
    return { image: tensor, logits, prediction: prediction!, probability: 0, attribution: attributions };
  };
  const { adversarial, success, distance } = await perturb(classifier, pgd({ steps: STEPS }), {
    images,
    labels,
    epsilon: epsilon / 255,
  });
  return {
    natural: await view(images),
    adversarial: await view(adversarial),
    distance: distance[0]!,
    success: success[0] === 1,
    seconds: 0,
  };
}

interface Pauses {
  /** Between two turns of the page's event loop, in milliseconds. */
  longest: number;
  frames: number;
}

/** Starts to time the turns of the page's event loop and to count its frames. */
const watchPauses = (page: Page) =>
  page.evaluate(() => {
    const pauses = { longest: 0, frames: 0 };
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      pauses.longest = Math.max(pauses.longest, now - last);
      last = now;
    }, 5);
    const frame = () => {
      pauses.frames += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(globalThis, { pauses });
  });

const coloursOf = (page: Page, selector: string): Promise<number> =>
  page.locator(selector).evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
