/** @file stAdv: adversarial images by a smooth spatial transformation. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { type Chunk, chunks, feed, floats, oneHot, padLabels, padRows, scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { type Lbfgs, lbfgsStart, lbfgsStep } from '../optimize/lbfgs.ts';
import { clipToBox, eachImage } from '../optimize/project.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf, zeros } from '../tensor.ts';
import { imageShape } from './goal.ts';
import type { Search } from './search.ts';
import { checkAmounts, checkCounts } from './settings.ts';
import { sampleAlongFlow } from './unforeseen/bilinear.ts';

export type SpatialLoss = 'cross-entropy' | 'margin';

export interface Spatial {
  readonly name: 'spatial';
  readonly steps: number;
  /** Share of each quasi-Newton step that is tried first. */
  readonly stepShare: number;
  readonly loss: SpatialLoss;
  /** Weight τ of the flow's total variation. */
  readonly smoothness: number;
  /** Steps that L-BFGS remembers. */
  readonly memory: number;
}

export interface SpatialOptions {
  /** Default 50: the study's 5 × 10. */
  steps?: number;
  /** Default 0.5. */
  stepShare?: number;
  /** The study lowers minus the cross-entropy, the paper the margin. Default `'cross-entropy'`. */
  loss?: SpatialLoss;
  /** Default 0.05. */
  smoothness?: number;
  /** Default 10. */
  memory?: number;
}

/**
 * Spatially transformed adversarial examples: a flow field displaces the pixels, found by L-BFGS on
 * −CE(true class) + τ·TV(flow), or CE(target) + τ·TV(flow) with targets. Xiao et al. 2018, "Spatially Transformed
 * Adversarial Examples", eq. 1–4, TV as in eq. 4; settings of Zhang & Zhu 2019.
 *
 * ε bounds each displacement, in pixels along an axis: the flow is ε·tanh(variable/ε), so a large ε leaves it free, as
 * in the paper. Beyond the border lies the border's own value. Each image has its own curvature and, as in the paper, a
 * backtracking line search, whose evaluations count as steps; the study has none, and its fixed share of 0.5 is tried first.
 *
 * @throws UsageError for counts that are not whole numbers above 0, and for shares and weights below 0
 * @example await perturb(classifier, spatial(), { images, labels, epsilon: 3 })
 */
export function spatial({
  steps = 50,
  stepShare = 0.5,
  loss = 'cross-entropy',
  smoothness = 0.05,
  memory = 10,
}: SpatialOptions = {}): Spatial {
  checkCounts('spatial attack', { steps, memory }, 1);
  checkAmounts('spatial attack', { stepShare, smoothness });
  return { name: 'spatial', steps, stepShare, loss, smoothness, memory };
}

export const searchSpatial: Search<Spatial> = async (task, attack) => {
  const { classifier, images, labels, targets, epsilon, batchSize, signal, onProgress } = task;
  if (epsilon === undefined) throw new TypeError("the attack 'spatial' needs epsilon");
  const shape = imageShape(classifier);
  if (shape === undefined)
    throw new UsageError(
      `the attack 'spatial' moves pixels: it works on images, not on inputs of shape [${classifier.inputShape.join(', ')}]`,
    );
  const [, height, width] = shape;
  const count = images.shape[0]!;
  const plan = chunks(count, batchSize, classifier.description);
  const { steps, stepShare, ...kind } = attack;
  const written = { ...kind, toward: targets !== undefined, height, width };
  const key = JSON.stringify(written);
  const step = await classifier.program(`spatial step ${key}`, plan.batch, (context) =>
    writeStep(context, classifier, written),
  );
  const finish = await classifier.program(`spatial image ${key}`, plan.batch, (context) =>
    writeImage(context, classifier, written),
  );
  const adversarial = zeros(images.shape);
  let [done, zeroGradients] = [0, 0];
  for (const chunk of plan.chunks) {
    const radii = Float32Array.from(
      { length: plan.batch },
      (_, i) => epsilon[Math.min(chunk.start + i, chunk.end - 1)]!,
    );
    const held = await uploadAll(classifier.runtime, { x: feed(padRows(images, chunk, plan.batch)) });
    const constants = {
      ...held,
      epsilon: feed({ shape: [plan.batch], data: radii }),
      target: feed(oneHot(padLabels(targets ?? labels, chunk, plan.batch), classifier.classes.length)),
    };
    try {
      const state = await iterate(step, {
        state: firstState(plan.batch, 2 * height * width, attack.memory),
        constants: { ...constants, step_share: scalar(stepShare) },
        steps,
        fetch: (k) => (k === 0 ? ['gradient_size'] : []),
        onStep(k, fetched) {
          if (k === 0) zeroGradients += zerosOf(fetched.gradient_size!, chunk);
          onProgress?.({ stage: 'spatial', done: ++done, total: plan.chunks.length * steps });
        },
        signal,
      });
      try {
        const { x, epsilon } = constants;
        const { fetched } = await finish.run({ x, epsilon, flow: state.point! });
        const size = sizeOf(classifier.inputShape);
        adversarial.data.set(floats(fetched.image!).subarray(0, (chunk.end - chunk.start) * size), chunk.start * size);
      } finally {
        releaseAll(state);
      }
    } finally {
      releaseAll(held);
    }
  }
  return { adversarial, zeroGradients, forwards: count * steps, gradients: count * steps };
};

/** What the compiled programs depend on. */
interface Written {
  readonly loss: SpatialLoss;
  readonly smoothness: number;
  readonly memory: number;
  readonly toward: boolean;
  readonly height: number;
  readonly width: number;
}

function firstState(batch: number, size: number, memory: number): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(lbfgsStart(batch, size, memory)).map(([name, { shape, fill }]) => {
      const tensor = zeros(shape);
      tensor.data.fill(fill);
      return [name, feed(tensor)];
    }),
  );
}

/** How many images of a chunk have a gradient of exactly 0. */
const zerosOf = (size: HostTensor, { start, end }: Chunk): number =>
  floats(size)
    .subarray(0, end - start)
    .filter((value) => value === 0).length;

function writeStep(context: ProgramContext, classifier: Classifier, written: Written): void {
  const { g, batch, model } = context;
  const { smoothness, memory, toward, loss, height, width } = written;
  const start = lbfgsStart(batch, 2 * height * width, memory);
  const input = (name: keyof Lbfgs) => g.input(name, 'float32', start[name].shape);
  const state: Lbfgs = {
    trial: input('trial'),
    point: input('point'),
    value: input('value'),
    gradient: input('gradient'),
    slope: input('slope'),
    share: input('share'),
    steps: input('steps'),
    changes: input('changes'),
    products: input('products'),
    scale: input('scale'),
  };
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const { image, displacement } = transformed(g, x, state.trial, g.input('epsilon', 'float32', [batch]));
  const away = objectives[loss].build(g, model(image).logits, target);
  // In the study's unit an image spans 2, whatever its pixels.
  const variation = g.scale(totalVariation(g, displacement), (2 * smoothness) / Math.max(height, width));
  const objective = g.add(toward ? away : g.neg(away), variation);
  const [slope] = gradient(g, { of: objective, wrt: [state.trial] });
  const next = lbfgsStep(g, state, g.reshape(objective, [batch, 1]), slope!, g.input('step_share', 'float32', []));
  for (const [name, value] of Object.entries(next)) g.output(value, `${name}_next`);
  g.output(g.reduceSum(g.abs(slope!), [1]), 'gradient_size');
}

function writeImage({ g, batch }: ProgramContext, classifier: Classifier, { height, width }: Written): void {
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  const flow = g.input('flow', 'float32', [batch, 2 * height * width]);
  g.output(transformed(g, x, flow, g.input('epsilon', 'float32', [batch])).image, 'image');
}

function transformed(g: GraphBuilder, x: Value, flow: Value, epsilon: Value) {
  const [count = 0, , height = 0, width = 0] = x.shape;
  const field = g.reshape(flow, [count, 2, height, width]);
  const limit = eachImage(g, epsilon, field);
  const displacement = g.mul(limit, g.tanh(g.div(field, limit)));
  return {
    displacement,
    image: clipToBox(g, sampleAlongFlow(g, x, displacement, 'edge')),
  };
}

/** Σ over pixels and their four neighbours of the distance between the two displacements, [N]; each pair counts twice. */
export function totalVariation(g: GraphBuilder, flow: Value): Value {
  const sums = [2, 3].map((axis) => {
    const length = flow.shape[axis]!;
    const ahead = g.slice(flow, { starts: [1], ends: [length], axes: [axis] });
    const behind = g.slice(flow, { starts: [0], ends: [length - 1], axes: [axis] });
    const squared = g.reduceSum(g.square(g.sub(ahead, behind)), [1]);
    // The root has no slope at 0, where every flow starts.
    return g.reduceSum(g.sqrt(g.offset(squared, 1e-8)), [1, 2]);
  });
  return g.scale(g.add(sums[0]!, sums[1]!), 2);
}
