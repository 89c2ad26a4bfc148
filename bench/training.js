/** @file Seconds an epoch of each of the ten training methods of Boopathy et al. on MNIST Small, and what a step of their attacks costs. */
import { gradient } from 'onnx-grad';
import { pgd } from '../packages/tempered/dist/attacks/pgd.js';
import { createModel } from '../packages/tempered/dist/models/architectures/index.js';
import { oneHot } from '../packages/tempered/dist/models/batching.js';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { objectives } from '../packages/tempered/dist/objectives/objectives.js';
import { compileAdversary } from '../packages/tempered/dist/training/adversary.js';
import { interpretationMethod } from '../packages/tempered/dist/training/interpretation-methods.js';
import { adam } from '../packages/tempered/dist/training/optimizer.js';
import { compileTrainingStep } from '../packages/tempered/dist/training/step-program.js';
import { createTrainingState } from '../packages/tempered/dist/training/training-state.js';
import { forwardFlops } from './flops.js';
import { matmulYardstick, medians } from './measure.js';

const BATCH = 50;
/** Of the 55,000 training images of the study. */
const BATCHES = 1100;
const INNER_STEPS = 40;
/** Attacks of these many steps are timed; what 40 take follows from their difference. */
const TIMED_STEPS = /** @type {const} */ ([1, 5]);
const CLASSES = Array.from({ length: 10 }, (_, k) => String(k));

/**
 * Passes of the model, counted in forward passes: a gradient by the input costs 2 with the pass it belongs to, by the
 * weights one more; a path of 5 points with second derivatives 4 a point by the input, 6 by the weights.
 */
const METHODS = /** @type {const} */ ({
  normal: { inner: 0, outer: 3 },
  adv: { inner: 2, outer: 3 },
  trades: { inner: 2, outer: 6 },
  int: { inner: 2, outer: 6 },
  'int-adv': { inner: 2, outer: 6 },
  'int-one-class': { inner: 2, outer: 6 },
  int2: { inner: 2, outer: 6 },
  'int2-adv': { inner: 2, outer: 6 },
  'ig-norm': { inner: 20, outer: 33 },
  'ig-norm-sum': { inner: 22, outer: 33 },
});

/** @typedef {keyof typeof METHODS} MethodName */

const model = createModel({
  architecture: 'gap-small',
  inputShape: [1, 28, 28],
  classes: CLASSES,
  name: 'MNIST Small',
});
const shape = [BATCH, ...model.inputShape];
const pixels = Float32Array.from({ length: BATCH * 784 }, (_, i) => 0.5 + 0.5 * Math.sin(i));
const images = { dtype: /** @type {const} */ ('float32'), shape, data: pixels };
const labels = oneHot(
  Array.from({ length: BATCH }, (_, i) => i % 10),
  10,
);
const target = { dtype: /** @type {const} */ ('float32'), ...labels };

/**
 * The attack of a method and its update, as two tasks.
 * @param {import('tempered').Runtime} runtime
 * @param {MethodName} name
 * @param {import('tempered').ResidentTensor} origin
 */
async function tasksOf(runtime, name, origin) {
  const optimizer = adam();
  const method = interpretationMethod(name, { epsilon: 0.3, attack: pgd({ stepSize: 0.01 }) });
  const state = await createTrainingState(runtime, model, optimizer);
  const step = await compileTrainingStep(runtime, model, { optimizer, batchSize: BATCH, state, method });
  const { inner } = method;
  const adversaries = await Promise.all(
    TIMED_STEPS.map((steps) => {
      const fewer = inner && { ...inner, attack: pgd({ steps, stepSize: 0.01 }) };
      return fewer && compileAdversary(runtime, model, { inner: fewer, batchSize: BATCH, state });
    }),
  );
  const clock = { step: 0, stepsPerEpoch: BATCHES, epochs: 100 };
  let count = 0;
  return {
    attacks: adversaries.map((adversary) => async () => {
      const x = await adversary?.attack({ images, origin, target, clock, seed: 0, firstNumber: count * BATCH });
      x?.release();
    }),
    update: async () => {
      count += 1;
      await step.run({ x: origin, target, step: count, learningRate: 1e-4, clock });
    },
  };
}

/**
 * The gradient of the cross-entropy by the images and nothing else, with weights that change: what a step is compared to.
 * @param {import('tempered').Runtime} runtime
 * @param {import('tempered').ResidentTensor} origin
 */
async function bareGradient(runtime, origin) {
  const state = await createTrainingState(runtime, model, adam());
  const program = await new Classifier(model, runtime, state.parameters).program(
    'bare',
    BATCH,
    ({ g, model: apply }) => {
      const x = g.input('x', 'float32', shape);
      const loss = objectives['cross-entropy'].build(g, apply(x).logits, g.input('target', 'float32', [BATCH, 10]));
      const [slope] = gradient(g, { of: loss, wrt: [x] });
      g.output(/** @type {import('onnx-grad').Value} */ (slope), 'gradient');
    },
  );
  return async () => {
    const { kept } = await program.run({ x: origin, target }, { fetch: [], keep: ['gradient'] });
    kept.gradient?.release();
  };
}

/** @param {import('tempered').Runtime} runtime */
export async function trainingFigures(runtime) {
  const origin = await runtime.upload(images);
  const names = /** @type {MethodName[]} */ (Object.keys(METHODS));
  /** @type {Record<string, () => Promise<void>>} */
  const tasks = {};
  for (const name of names) {
    const { attacks, update } = await tasksOf(runtime, name, origin);
    if (METHODS[name].inner > 0)
      attacks.forEach((attack, i) => {
        tasks[`attack ${name}, ${TIMED_STEPS[i]}`] = attack;
      });
    tasks[`update ${name}`] = update;
  }
  const yardstick = await matmulYardstick(runtime);
  const bare = await bareGradient(runtime, origin);
  const times = await medians({ matmul: yardstick.run, bare, ...tasks, 'matmul again': yardstick.run }, 5);
  const seconds = (/** @type {string} */ task) => times[task] ?? 0;
  const rate = yardstick.flops / Math.min(seconds('matmul'), seconds('matmul again')) / 1e9;
  const flops = forwardFlops(model, BATCH);
  const rows = names.map((name) => {
    const { inner, outer } = METHODS[name];
    const [short, long] = TIMED_STEPS.map((steps) => seconds(`attack ${name}, ${steps}`));
    const [few, many] = TIMED_STEPS;
    const innerStep = ((long ?? 0) - (short ?? 0)) / (many - few);
    const perBatch = (short ?? 0) + (INNER_STEPS - few) * innerStep + seconds(`update ${name}`);
    const passes = INNER_STEPS * inner + outer;
    return {
      name,
      secondsAnEpoch: BATCHES * perBatch,
      innerStepOverGradient: innerStep / seconds('bare'),
      share: (passes * flops) / perBatch / 1e9 / rate,
    };
  });
  return { matmulGflops: rate, rows };
}
