/** @file The page: files in, pictures out. All computing is the worker's. */
import { type Bitmap, renderAttribution, renderImage, renderPerturbation } from 'tempered/web';
import type { Device, Request, Response, Result, View } from './protocol.ts';

const form = element('form', HTMLFormElement);
const fields = element('fieldset', HTMLFieldSetElement);
const modelInput = element('#model', HTMLInputElement);
const imageInput = element('#image', HTMLInputElement);
const deviceSelect = element('#device', HTMLSelectElement);
const epsilonInput = element('#epsilon', HTMLInputElement);
const stepsInput = element('#steps', HTMLInputElement);
const button = element('button', HTMLButtonElement);
const status = element('#status', HTMLElement);
const problem = element('#problem', HTMLElement);
const results = element('#results', HTMLElement);

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
const send = (request: Request) => worker.postMessage(request);
let classes: readonly string[] | undefined;

if (!('gpu' in navigator)) deviceSelect.value = 'wasm';
modelInput.addEventListener('change', () => void loadModel());
deviceSelect.addEventListener('change', () => void loadModel());
imageInput.addEventListener('change', () => setBusy(false));
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});

worker.addEventListener('message', ({ data }: MessageEvent<Response>) => {
  if (data.kind === 'progress') {
    say(`${data.stage}: ${data.done} of ${data.total}`);
    return;
  }
  if (data.kind === 'loaded') {
    classes = data.classes;
    say(`Model ready: ${data.inputShape.join(' × ')} images, ${classes.length} classes; ${data.engine}`);
  } else if (data.kind === 'result') show(data.result);
  else complain(data.message);
  setBusy(false);
});
worker.addEventListener('error', ({ message }) => complain(message || 'the worker could not be started'));

async function loadModel(): Promise<void> {
  const file = modelInput.files?.[0];
  if (file === undefined) return;
  classes = undefined;
  results.hidden = true;
  setBusy(true);
  say(`Reading ${file.name} …`);
  send({ kind: 'load', model: await bytesOf(file), name: file.name, device: deviceSelect.value as Device });
}

async function run(): Promise<void> {
  const file = imageInput.files?.[0];
  if (file === undefined) return;
  setBusy(true);
  say('Working …');
  send({
    kind: 'run',
    image: await bytesOf(file),
    name: file.name,
    epsilon: epsilonInput.valueAsNumber / 255,
    steps: stepsInput.valueAsNumber,
  });
}

const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer());

function setBusy(busy: boolean): void {
  fields.disabled = busy;
  button.disabled = classes === undefined || imageInput.files?.length !== 1;
}

function say(text: string): void {
  status.textContent = text;
  problem.hidden = true;
}

function complain(message: string): void {
  status.textContent = '';
  problem.textContent = message.endsWith('.') ? message : `${message}.`;
  problem.hidden = false;
}

function show(result: Result): void {
  const { natural, adversarial, distance, success, seconds } = result;
  const clip = renderAttribution(natural.attribution).clip;
  draw('#natural', renderImage(natural.image), describe(natural));
  draw('#natural-map', renderAttribution(natural.attribution, { clip }).bitmap, `what speaks for ${nameOf(natural)}`);
  draw('#adversarial', renderImage(adversarial.image), describe(adversarial));
  draw('#adversarial-map', renderAttribution(adversarial.attribution, { clip }).bitmap, `same class, same scale`);
  const change = `no pixel changed by more than ${(255 * distance).toFixed(1)}/255`;
  draw('#perturbation', renderPerturbation(natural.image, adversarial.image), change);
  results.hidden = false;
  offer(result);
  say(`${success ? 'The attack changed the prediction' : 'The prediction held'}; done in ${seconds.toFixed(1)} s`);
}

const nameOf = ({ prediction }: View) => classes?.[prediction] ?? String(prediction);
const describe = (view: View) => `${nameOf(view)}, ${(100 * view.probability).toFixed(1)} %`;

function draw(figure: string, bitmap: Bitmap, caption: string): void {
  const canvas = element(`${figure} canvas`, HTMLCanvasElement);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('2d')?.putImageData(new ImageData(bitmap.data, bitmap.width, bitmap.height), 0, 0);
  element(`${figure} .caption`, HTMLElement).textContent = caption;
}

/** The numbers behind the pictures, as a file. */
function offer(result: Result): void {
  const link = element('#numbers', HTMLAnchorElement);
  URL.revokeObjectURL(link.href);
  const json = JSON.stringify(result, (_, value) => (value instanceof Float32Array ? Array.from(value) : value));
  link.href = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
}

function element<T extends Element>(selector: string, kind: new () => T): T {
  const found = document.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the page has no ${selector}`);
  return found;
}
