/** @file The loop that the unforeseen attacks share: sign, normalised or Frank–Wolfe steps on the variables of a transform. */
import { gradient } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { chunks, feed, floats, oneHot, padLabels, padRows } from '../../models/batching.ts';
import type { Classifier, ProgramContext } from '../../models/classifier.ts';
import { objectives } from '../../objectives/objectives.ts';
import { iterate, releaseAll } from '../../optimize/iterate.ts';
import { createRandom } from '../../random.ts';
import { uploadAll } from '../../runtime/upload-all.ts';
import { sizeOf, type Tensor, zeros } from '../../tensor.ts';
import { imageShape } from '../goal.ts';
import { stepSizeAt } from '../pgd.ts';
import type { Search, Task } from '../search.ts';
import type { Unforeseen } from './options.ts';
import type { Inputs, Transform } from './transform.ts';

/**
 * The search that moves the variables of a transform along the gradient of the cross-entropy: down toward a class, or up
 * away from the true one. Everything random is drawn for each image by its number. The last iterate is the result.
 *
 * @param transformOf a transform for images of shape [C, H, W]; all of the attack but steps, step size and aim may enter
 */
export function searchUnforeseen<A extends Unforeseen & { readonly name: string }>(
  transformOf: (attack: A, inputShape: readonly number[]) => Transform,
): Search<A> {
  return async (task, attack) => {
    const { classifier, images, epsilon, batchSize, signal, onProgress } = task;
    if (epsilon === undefined) throw new TypeError(`the attack '${attack.name}' needs epsilon`);
    if (imageShape(classifier) === undefined)
      throw new UsageError(
        `the attack '${attack.name}' works on images, not on inputs of shape [${classifier.inputShape.join(', ')}]`,
      );
    const transform = transformOf(attack, classifier.inputShape);
    const toward = task.targets !== undefined || attack.aim === 'random-class';
    const classes = task.targets ?? (toward ? randomOtherClasses(task) : task.labels);
    const sizes = epsilon.map((radius) => stepSizeAt(attack, radius));
    const count = images.shape[0]!;
    const plan = chunks(count, batchSize, classifier.description);
    const { steps: _, stepSize: __, aim: ___, ...kind } = attack;
    const key = `${toward ? 'toward' : 'away'} ${JSON.stringify(kind)}`;
    const program = await classifier.program(`unforeseen step ${key}`, plan.batch, (context) =>
      writeStep(context, classifier, transform, toward),
    );
    const finish = await classifier.program(`unforeseen image ${key}`, plan.batch, (context) => {
      const inputs = declareInputs(context, classifier, transform);
      context.g.output(transform.write(context.g, inputs), 'image');
    });
    const adversarial = zeros(images.shape);
    const total = plan.chunks.length * attack.steps;
    let done = 0;
    let zeroGradients = 0;
    for (const chunk of plan.chunks) {
      const drawn = drawAll(transform, attack.name, task, chunk.start, chunk.end, plan.batch);
      const held = await uploadAll(classifier.runtime, {
        x: feed(padRows(images, chunk, plan.batch)),
        ...drawn.constants,
      });
      const constants = { ...held, epsilon: vector(epsilon, chunk, plan.batch) };
      try {
        const state = await iterate(program, {
          state: { variables: drawn.variables },
          constants: {
            ...constants,
            target: feed(oneHot(padLabels(classes, chunk, plan.batch), classifier.classes.length)),
            step_size: vector(sizes, chunk, plan.batch),
          },
          steps: attack.steps,
          fetch: (step) => (step === 0 ? ['gradient_size'] : []),
          onStep(step, fetched) {
            if (step === 0)
              zeroGradients += floats(fetched.gradient_size!)
                .subarray(0, chunk.end - chunk.start)
                .reduce((sum, size) => sum + Number(size === 0), 0);
            done += 1;
            onProgress?.({ stage: attack.name, done, total });
          },
          signal,
        });
        try {
          const { fetched } = await finish.run({ ...constants, ...state });
          const size = sizeOf(classifier.inputShape);
          adversarial.data.set(
            floats(fetched.image!).subarray(0, (chunk.end - chunk.start) * size),
            chunk.start * size,
          );
        } finally {
          releaseAll(state);
        }
      } finally {
        releaseAll(held);
      }
    }
    return { adversarial, zeroGradients, forwards: count * attack.steps, gradients: count * attack.steps };
  };
}

function declareInputs({ g, batch }: ProgramContext, classifier: Classifier, transform: Transform): Inputs {
  const input = (name: string, shape: readonly number[]) => g.input(name, 'float32', [batch, ...shape]);
  return {
    x: input('x', classifier.inputShape),
    variables: input('variables', transform.variables),
    constants: Object.fromEntries(
      Object.entries(transform.constants ?? {}).map(([name, shape]) => [name, input(name, shape)]),
    ),
    epsilon: input('epsilon', []),
  };
}

function writeStep(context: ProgramContext, classifier: Classifier, transform: Transform, toward: boolean): void {
  const { g, batch, model } = context;
  const inputs = declareInputs(context, classifier, transform);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const size = g.input('step_size', 'float32', [batch]);
  const { logits } = model(transform.write(g, inputs));
  const loss = objectives['cross-entropy'].build(g, logits, target);
  const [slope] = gradient(g, { of: loss, wrt: [inputs.variables] });
  g.output(transform.step(g, inputs, toward ? g.neg(slope!) : slope!, size), 'variables_next');
  const axes = transform.variables.map((_, axis) => axis + 1);
  g.output(g.reduceSum(g.abs(slope!), axes), 'gradient_size');
}

/** A class other than the true one for each image, all equally likely. */
function randomOtherClasses({ classifier, labels, seed, restart, imageNumbers }: Task): Int32Array {
  return labels.map((label, i) => {
    const other = createRandom(seed, 'target', imageNumbers[i]!, restart).integer(classifier.classes.length - 1);
    return other < label ? other : other + 1;
  });
}

/** Starts and constants for the images of a chunk; the padding repeats the last one's. */
function drawAll(transform: Transform, name: string, task: Task, start: number, end: number, batch: number) {
  const { seed, restart, imageNumbers, epsilon } = task;
  const shapes = { variables: transform.variables, ...transform.constants };
  const all = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, zeros([batch, ...shape])]));
  for (let i = start; i < end; i++) {
    const random = createRandom(seed, name, imageNumbers[i]!, restart);
    const { variables, constants } = transform.draw(random, epsilon![i]!);
    for (const [key, values] of Object.entries({ variables, ...constants }))
      all[key]!.data.set(values, (i - start) * values.length);
  }
  const whole = { start: 0, end: end - start };
  const { variables, ...constants } = Object.fromEntries(
    Object.entries(all).map(([key, tensor]) => [key, feed(padRows(tensor, whole, batch))]),
  );
  return { variables: variables!, constants };
}

/** One number for each image of a chunk, [batch]. */
function vector(values: Float64Array, { start, end }: { start: number; end: number }, batch: number) {
  const data = Float32Array.from({ length: batch }, (_, i) => values[Math.min(start + i, end - 1)]!);
  const tensor: Tensor = { shape: [batch], data };
  return feed(tensor);
}
