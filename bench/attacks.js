/**
 * @file Whole attacks through `perturb`, in images a second: what users wait for, with start, judging and all. How
 * many cores were busy stands beside it.
 */
import { perturb } from '../packages/tempered/dist/attacks/attack.js';
import { pgd } from '../packages/tempered/dist/attacks/pgd.js';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { predict } from '../packages/tempered/dist/models/predict.js';
import { forwardFlops } from './flops.js';
import { modelOf } from './gradients.js';
import { matmulYardstick } from './measure.js';

const CASES = /** @type {const} */ ([
  { model: 'MNIST CNN', steps: 40, batch: 1, images: 8 },
  { model: 'MNIST CNN', steps: 40, batch: 50, images: 200 },
  { model: 'MNIST CNN', steps: 40, batch: 200, images: 400 },
  { model: 'CIFAR ResNet-18', steps: 20, batch: 32, images: 32 },
]);

/** @param {import('tempered').Runtime} runtime */
export async function attackFigures(runtime) {
  const yardstick = await matmulYardstick(runtime);
  const rows = [];
  for (const { model: name, steps, batch, images: count } of CASES) {
    const model = modelOf(name);
    const classifier = new Classifier(model, runtime);
    const shape = [count, ...model.inputShape];
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.5 + 0.4 * Math.sin(i));
    const images = { shape, data };
    const labels = await predict(classifier, images, { batchSize: batch });
    const attack = () => perturb(classifier, pgd({ steps }), { images, labels, epsilon: 8 / 255, batchSize: batch });
    // Compiles, and warms up.
    await attack();
    const product = await timeOf(yardstick.run, 3);
    const cpu = process.cpuUsage();
    const started = performance.now();
    await attack();
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const flops = 2 * steps * forwardFlops(model, batch) * (count / batch);
    rows.push({
      name: `PGD-${steps}, ${name}, batch ${batch}`,
      imagesPerSecond: count / seconds,
      share: flops / seconds / (yardstick.flops / product),
      busyCores: (user + system) / 1e6 / seconds,
    });
    await classifier.release();
  }
  return rows;
}

/**
 * The median of some runs, in seconds.
 * @param {() => Promise<unknown>} run
 * @param {number} runs
 */
async function timeOf(run, runs) {
  const times = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await run();
    times.push((performance.now() - started) / 1000);
  }
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? Number.NaN;
}
