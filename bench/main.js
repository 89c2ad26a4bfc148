/** @file `npm run bench`: the figures that the project promises, measured in one run. `--device webgpu` for a GPU; `--json FILE`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { oneHot } from '../packages/tempered/dist/models/batching.js';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { writeModelFile } from '../packages/tempered/dist/models/load.js';
import { iterate } from '../packages/tempered/dist/optimize/iterate.js';
import { compileSteps } from '../packages/tempered/dist/optimize/steps.js';
import { createNodeRuntime } from '../packages/tempered/dist/runtime/node/node-runtime.js';
import { attackFigures } from './attacks.js';
import { attributionFigures, memoryOverExplanations } from './attributions.js';
import { ball, gradientFigures, modelOf } from './gradients.js';
import { stepFigures } from './steps.js';
import { trainingFigures } from './training.js';

const { values } = parseArgs({ options: { device: { type: 'string', default: 'cpu' }, json: { type: 'string' } } });
const device = values.device === 'webgpu' ? 'webgpu' : 'cpu';
const runtime = await createNodeRuntime({ device });
console.log(`${runtime.description}, Node ${process.version}`);

const gradients = await gradientFigures(runtime);
console.log(`\n1024³ matrix product: ${gradients.matmulGflops.toFixed(0)} GFLOP/s`);
for (const { name, milliseconds, gflops, share } of gradients.rows) {
  console.log(
    `${name.padEnd(62)} ${milliseconds.toFixed(1).padStart(8)} ms ${gflops.toFixed(0).padStart(5)} GFLOP/s  ${share.toFixed(2)} of the product's rate`,
  );
}

const attacks = await attackFigures(runtime);
console.log('\nwhole attacks through perturb, start and judging included');
for (const { name, imagesPerSecond, share, busyCores } of attacks) {
  console.log(
    `${name.padEnd(40)} ${imagesPerSecond.toFixed(1).padStart(7)} images/s  ${share.toFixed(2)} of the product's rate  ${busyCores.toFixed(1)} cores busy`,
  );
}

const steps = await stepFigures(runtime);
console.log('\na PGD step beside the bare gradient (forward, loss, input gradient), interleaved, medians');
for (const { name, bareMilliseconds, stepMilliseconds, overBareGradient } of steps) {
  console.log(
    `${name.padEnd(40)} ${stepMilliseconds.toFixed(1).padStart(7)} ms over ${bareMilliseconds.toFixed(1).padStart(7)} ms: ${overBareGradient.toFixed(3)}`,
  );
}

const attributions = await attributionFigures(runtime);
console.log('\nattributions of an image, in forward passes of an image in a full batch, interleaved, medians');
for (const { name, model, batch, forwards, bound, extrapolatedFrom } of attributions.costs) {
  const limit = bound === undefined ? '' : `  at most ${bound}`;
  const from = extrapolatedFrom === undefined ? '' : `  in proportion to ${extrapolatedFrom}`;
  console.log(`${`${name}, ${model}, batch ${batch}`.padEnd(62)} ${forwards.toFixed(2).padStart(7)}${limit}${from}`);
}
for (const { name, model, batch, timesFaster } of attributions.masks)
  console.log(`${name}, ${model}, batch ${batch}: ${timesFaster.toFixed(1)} times as fast as one masked image a call`);
const explained = await memoryOverExplanations(runtime, 1000);
console.log(
  `resident memory over 1,000 explanations of one image by five methods in turn (MNIST CNN): ${explained.map((mb) => mb.toFixed(0)).join(', ')} MB after 0, 250, 500, 750, 1,000`,
);

const training = await trainingFigures(runtime);
console.log(
  `\nten trainings of MNIST Small (Boopathy et al. 2020): batch 50, 55,000 images, 40 inner steps\n1024³ matrix product: ${training.matmulGflops.toFixed(0)} GFLOP/s; an epoch is 1,100 times the median of five batches, an attack of 40 steps follows from those of 1 and 5`,
);
for (const { name, secondsAnEpoch, innerStepOverGradient, share } of training.rows) {
  const step = innerStepOverGradient > 0 ? `inner step ${innerStepOverGradient.toFixed(2)} bare gradients` : '';
  console.log(
    `${name.padEnd(16)} ${secondsAnEpoch.toFixed(0).padStart(7)} s an epoch  ${share.toFixed(2)} of the product's rate  ${step}`,
  );
}

const memory = await memoryOverSteps(1000);
console.log(
  `\nresident memory over 1,000 PGD steps (MNIST CNN, batch 1): ${memory.map((mb) => mb.toFixed(0)).join(', ')} MB after 0, 250, 500, 750, 1,000`,
);
await runtime.close();

const start = startUp();
console.log(
  `start of the process to the first gradient of a ${start.megabytes.toFixed(0)} MB ResNet-18 file: ${start.seconds.map((s) => s.toFixed(2)).join(', ')} s`,
);

if (values.json)
  writeFileSync(
    values.json,
    `${JSON.stringify({ device, gradients, attacks, steps, attributions, explained, training, memory, start }, undefined, 2)}\n`,
  );

/** @param {number} steps */
async function memoryOverSteps(steps) {
  const model = modelOf('MNIST CNN');
  const { step } = await compileSteps(new Classifier(model, runtime), { goal: 'away', norm: 'linf' }, 1);
  const shape = [1, ...model.inputShape];
  const image = () => runtime.upload({ dtype: 'float32', shape, data: new Float32Array(784).fill(0.5) });
  const origin = await image();
  const { shape: size, data } = oneHot([3], 10);
  let x = await image();
  const run = async (/** @type {number} */ count) => {
    const { x: last } = await iterate(step, {
      state: { x },
      constants: { origin, target: { dtype: 'float32', shape: size, data }, ...ball(1) },
      steps: count,
    });
    x = /** @type {import('tempered').ResidentTensor} */ (last);
    return process.memoryUsage().rss / 2 ** 20;
  };
  const samples = [await run(50)];
  for (let part = 0; part < 4; part++) samples.push(await run(steps / 4));
  return samples;
}

function startUp() {
  const folder = mkdtempSync(join(tmpdir(), 'tempered-bench-'));
  try {
    const bytes = writeModelFile(modelOf('CIFAR ResNet-18'));
    const path = join(folder, 'resnet18.onnx');
    writeFileSync(path, bytes);
    const script = fileURLToPath(new URL('./first-gradient.js', import.meta.url));
    const seconds = [0, 1, 2].map(
      () => Number(execFileSync(process.execPath, [script, path, device], { encoding: 'utf8' })) / 1000,
    );
    return { megabytes: bytes.length / 1e6, seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
