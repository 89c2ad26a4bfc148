/**
 * @file What a PGD step costs beside the bare gradient: forward pass, loss and input gradient alone. Both run once a
 * round, one after the other, so that the noise of the machine meets both alike.
 */
import { gradient } from 'onnx-grad';
import { Classifier } from '../packages/tempered/dist/models/classifier.js';
import { objectives } from '../packages/tempered/dist/objectives/objectives.js';
import { iterate } from '../packages/tempered/dist/optimize/iterate.js';
import { compileSteps } from '../packages/tempered/dist/optimize/steps.js';
import { ball, modelOf, targets, uploadImages } from './gradients.js';
import { medians } from './measure.js';

const CASES = /** @type {const} */ ([
  { model: 'MNIST CNN', batch: 50, rounds: 41 },
  { model: 'CIFAR ResNet-18', batch: 32, rounds: 11 },
]);

/** @param {import('tempered').Runtime} runtime */
export async function stepFigures(runtime) {
  const rows = [];
  for (const { model: name, batch, rounds } of CASES) {
    const classifier = new Classifier(modelOf(name), runtime);
    const shape = [batch, ...classifier.inputShape];
    const images = await uploadImages(runtime, shape);
    const times = await medians(
      {
        bare: await bareGradient(classifier, batch, images),
        linf: await pgdStep(classifier, 'linf', batch, images),
        l2: await pgdStep(classifier, 'l2', batch, images),
        l1: await pgdStep(classifier, 'l1', batch, images),
      },
      rounds,
    );
    const { bare = Number.NaN } = times;
    for (const norm of ['linf', 'l2', 'l1'])
      rows.push({
        name: `${norm} step, ${name}, batch ${batch}`,
        bareMilliseconds: 1000 * bare,
        stepMilliseconds: 1000 * (times[norm] ?? Number.NaN),
        overBareGradient: (times[norm] ?? Number.NaN) / bare,
      });
    await classifier.release();
    images.release();
  }
  return rows;
}

/**
 * @param {Classifier} classifier
 * @param {number} batch
 * @param {import('tempered').ResidentTensor} images
 */
async function bareGradient(classifier, batch, images) {
  const program = await classifier.program('bare gradient', batch, ({ g, model }) => {
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    const target = g.input('target', 'float32', [batch, classifier.classes.length]);
    const loss = objectives['cross-entropy'].build(g, model(x).logits, target);
    const [dx] = gradient(g, { of: loss, wrt: [x] });
    if (dx === undefined) throw new Error('no gradient');
    g.output(dx, 'dx');
  });
  const target = targets(batch);
  return async () => {
    const { kept } = await program.run({ x: images, target }, { fetch: [], keep: ['dx'] });
    kept.dx?.release();
  };
}

/**
 * @param {Classifier} classifier
 * @param {import('tempered').Norm} norm
 * @param {number} batch
 * @param {import('tempered').ResidentTensor} origin
 */
async function pgdStep(classifier, norm, batch, origin) {
  const { step } = await compileSteps(classifier, { goal: 'away', norm }, batch);
  let x = await uploadImages(classifier.runtime, origin.shape);
  return async () => {
    const constants = { origin, target: targets(batch), ...ball(batch) };
    const { x: next } = await iterate(step, { state: { x }, constants, steps: 1 });
    x = /** @type {import('tempered').ResidentTensor} */ (next);
  };
}
