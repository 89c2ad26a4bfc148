/** @file Input gradients and adversarial training steps, as rates and as shares of the matrix product's rate. */
import { pgd } from '../packages/tempered/dist/attacks/pgd.js';
import { createModel } from '../packages/tempered/dist/models/architectures/index.js';
import { oneHot } from '../packages/tempered/dist/models/batching.js';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { iterate } from '../packages/tempered/dist/optimize/iterate.js';
import { compileSteps } from '../packages/tempered/dist/optimize/steps.js';
import { adam } from '../packages/tempered/dist/training/optimizer.js';
import { compileTrainingStep } from '../packages/tempered/dist/training/step-program.js';
import { createTrainingState } from '../packages/tempered/dist/training/training-state.js';
import { forwardFlops } from './flops.js';
import { matmulYardstick, medians } from './measure.js';

const CLASSES = Array.from({ length: 10 }, (_, k) => String(k));

export const MODELS = /** @type {const} */ ({
  'CIFAR ResNet-18': { architecture: 'cifar-resnet18', inputShape: [3, 32, 32] },
  'MNIST CNN': { architecture: 'mnist-cnn', inputShape: [1, 28, 28] },
});

/** @param {keyof typeof MODELS} name */
export const modelOf = (name) => createModel({ ...MODELS[name], classes: CLASSES, name });

/**
 * One PGD step (forward, input gradient, step, projection) through the public path, images staying with the engine.
 * @param {import('tempered').Runtime} runtime
 * @param {keyof typeof MODELS} name
 * @param {number} batch
 */
async function pgdStep(runtime, name, batch) {
  const model = modelOf(name);
  const classifier = new Classifier(model, runtime);
  const { step } = await compileSteps(classifier, { goal: 'away', norm: 'linf' }, batch);
  const images = await uploadImages(runtime, [batch, ...model.inputShape]);
  const target = targets(batch);
  let x = await uploadImages(runtime, [batch, ...model.inputShape]);
  return {
    flops: 2 * forwardFlops(model, batch),
    run: async () => {
      const { x: next } = await iterate(step, {
        state: { x },
        constants: { origin: images, target, ...ball(batch) },
        steps: 1,
      });
      x = /** @type {import('tempered').ResidentTensor} */ (next);
    },
  };
}

/**
 * Seven PGD steps against the current weights, and one Adam update on their result.
 * @param {import('tempered').Runtime} runtime
 * @param {keyof typeof MODELS} name
 * @param {number} batch
 */
async function adversarialTrainingStep(runtime, name, batch) {
  const model = modelOf(name);
  const optimizer = adam();
  const state = await createTrainingState(runtime, model, optimizer);
  const live = new Classifier(model, runtime, state.parameters);
  const update = await compileTrainingStep(runtime, model, { optimizer, batchSize: batch, state });
  const { step } = await compileSteps(live, { goal: 'away', norm: 'linf' }, batch);
  const shape = [batch, ...model.inputShape];
  const origin = await uploadImages(runtime, shape);
  const target = targets(batch);
  const attack = pgd({ steps: 7 });
  let count = 0;
  return {
    flops: (2 * attack.steps + 3) * forwardFlops(model, batch),
    run: async () => {
      const start = await uploadImages(runtime, shape);
      const { x } = await iterate(step, {
        state: { x: start },
        constants: { origin, target, ...ball(batch) },
        steps: attack.steps,
      });
      const adversarial = /** @type {import('tempered').ResidentTensor} */ (x);
      count += 1;
      await update.run({ x: adversarial, target, step: count, learningRate: 1e-4 });
      adversarial.release();
    },
  };
}

/**
 * ε and step size of each image.
 * @param {number} batch
 */
export const ball = (batch) => {
  const each = (/** @type {number} */ value) => ({
    dtype: /** @type {const} */ ('float32'),
    shape: [batch],
    data: new Float32Array(batch).fill(value),
  });
  return { epsilon: each(8 / 255), step_size: each(2 / 255) };
};

/** @param {number} batch */
export const targets = (batch) => {
  const { shape, data } = oneHot(
    Array.from({ length: batch }, (_, i) => i % 10),
    10,
  );
  return { dtype: /** @type {const} */ ('float32'), shape, data };
};

/**
 * @param {import('tempered').Runtime} runtime
 * @param {readonly number[]} shape
 */
export function uploadImages(runtime, shape) {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.5 + 0.5 * Math.sin(i));
  return runtime.upload({ dtype: 'float32', shape, data });
}

/** @param {import('tempered').Runtime} runtime */
export async function gradientFigures(runtime) {
  /** @type {Record<string, {flops: number, run: () => Promise<void>}>} */
  const cases = {
    'PGD step, CIFAR ResNet-18, batch 32': await pgdStep(runtime, 'CIFAR ResNet-18', 32),
    'PGD step, MNIST CNN, batch 1': await pgdStep(runtime, 'MNIST CNN', 1),
    'PGD step, MNIST CNN, batch 50': await pgdStep(runtime, 'MNIST CNN', 50),
    'adversarial training step (PGD-7), CIFAR ResNet-18, batch 32': await adversarialTrainingStep(
      runtime,
      'CIFAR ResNet-18',
      32,
    ),
    'adversarial training step (PGD-7), MNIST CNN, batch 50': await adversarialTrainingStep(runtime, 'MNIST CNN', 50),
  };
  const yardstick = await matmulYardstick(runtime);
  const tasks = Object.fromEntries(Object.entries(cases).map(([name, { run }]) => [name, run]));
  const times = await medians({ matmul: yardstick.run, ...tasks, 'matmul again': yardstick.run }, 9);
  const rate = yardstick.flops / Math.min(times.matmul ?? 0, times['matmul again'] ?? 0) / 1e9;
  const rows = Object.entries(cases).map(([name, { flops }]) => {
    const seconds = times[name] ?? Number.NaN;
    return { name, milliseconds: 1000 * seconds, gflops: flops / seconds / 1e9, share: flops / seconds / 1e9 / rate };
  });
  return { matmulGflops: rate, rows };
}
