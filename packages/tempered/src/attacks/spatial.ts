/** @file stAdv: adversarial images by a smooth spatial transformation. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { chunks, feed, floats, oneHot, padLabels, padRows, scalar } from '../models/batching.ts';
import type { Classifier, ProgramContext } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { type LbfgsMemory, lbfgsDirection } from '../optimize/lbfgs.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { sizeOf, zeros } from '../tensor.ts';
import { imageShape } from './goal.ts';
import type { Search } from './search.ts';
import { sampleAlongFlow } from './unforeseen/bilinear.ts';
import { eachImage } from './unforeseen/transform.ts';

export interface Spatial {
  readonly name: 'spatial';
  readonly steps: number;
  /** Share of each quasi-Newton step that is taken. */
  readonly stepSize: number;
  /** Weight τ of the flow's total variation. */
  readonly smoothness: number;
  /** Steps that L-BFGS remembers. */
  readonly memory: number;
  readonly keep: 'last' | 'worst';
}

export interface SpatialOptions {
  /** Default 50: the study's 5 × 10. */
  steps?: number;
  /** Default 0.5. */
  stepSize?: number;
  /** Default 0.05. */
  smoothness?: number;
  /** Default 10. */
  memory?: number;
  /** Return the last flow, or of all that were seen the best: an adversarial one before others, then by objective. Default `'last'`. */
  keep?: Spatial['keep'];
}

/**
 * Spatially transformed adversarial examples: a flow field displaces the pixels, found by L-BFGS on
 * −CE(true class) + τ·TV(flow), or CE(target) + τ·TV(flow) with targets. Xiao et al. 2018, "Spatially Transformed
 * Adversarial Examples", eq. 1–4, TV as in eq. 4; settings of Zhang & Zhu 2019.
 *
 * ε bounds each displacement, in pixels along an axis: the flow is ε·tanh(variable/ε), so a large ε leaves it free, as
 * in the paper. Beyond the border lies the border's own value. Each image has its own curvature, and steps have a fixed
 * share instead of a line search, as in the study.
 *
 * @example await perturb(classifier, spatial(), { images, labels, epsilon: 3 })
 */
export function spatial({
  steps = 50,
  stepSize = 0.5,
  smoothness = 0.05,
  memory = 10,
  keep = 'last',
}: SpatialOptions = {}): Spatial {
  for (const [what, value] of Object.entries({ steps, memory }))
    if (!Number.isInteger(value) || value < Number(what === 'memory'))
      throw new UsageError(
        `'${what}' of the spatial attack must be a whole number, ${Number(what === 'memory')} or more, not ${value}`,
      );
  for (const [what, value] of Object.entries({ stepSize, smoothness }))
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new UsageError(`'${what}' of the spatial attack must be 0 or more, not ${value}`);
  return { name: 'spatial', steps, stepSize, smoothness, memory, keep };
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
  const { steps, stepSize, keep, ...kind } = attack;
  const written = { ...kind, toward: targets !== undefined, height, width };
  const key = JSON.stringify(written);
  const step = await classifier.program(`spatial step ${key}`, plan.batch, (context) =>
    writeStep(context, classifier, written),
  );
  const finish = await classifier.program(`spatial image ${key}`, plan.batch, (context) =>
    writeResult(context, classifier, written),
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
        constants: { ...constants, step_size: scalar(stepSize) },
        steps,
        feeds: (k) => ({ first: scalar(Number(k === 0)) }),
        fetch: (k) => (k === 0 ? ['gradient_size'] : []),
        onStep(k, fetched) {
          if (k === 0)
            zeroGradients += floats(fetched.gradient_size!)
              .subarray(0, chunk.end - chunk.start)
              .reduce((sum, size) => sum + Number(size === 0), 0);
          onProgress?.({ stage: 'spatial', done: ++done, total: plan.chunks.length * steps });
        },
        signal,
      });
      try {
        const { flow, best_flow, best_rank } = state;
        const { fetched } = await finish.run(
          { ...constants, flow: flow!, best_flow: best_flow!, best_rank: best_rank! },
          { fetch: [keep] },
        );
        const size = sizeOf(classifier.inputShape);
        adversarial.data.set(floats(fetched[keep]!).subarray(0, (chunk.end - chunk.start) * size), chunk.start * size);
      } finally {
        releaseAll(state);
      }
    } finally {
      releaseAll(held);
    }
  }
  return { adversarial, zeroGradients, forwards: count * (steps + 1), gradients: count * steps };
};

/** What the compiled programs depend on. */
interface Written {
  readonly smoothness: number;
  readonly memory: number;
  readonly toward: boolean;
  readonly height: number;
  readonly width: number;
}

/** A rank above all others, so that any flow replaces it. */
const NO_RANK = 2;

function firstState(batch: number, size: number, memory: number): Record<string, HostTensor> {
  const none = (...shape: number[]) => feed(zeros(shape));
  const filled = (value: number, shape: number[]) => {
    const tensor = zeros(shape);
    tensor.data.fill(value);
    return feed(tensor);
  };
  return {
    flow: none(batch, size),
    point: none(batch, size),
    gradient: none(batch, size),
    steps: none(batch, memory, size),
    changes: none(batch, memory, size),
    products: none(batch, memory),
    scale: filled(1, [batch, 1]),
    best_flow: none(batch, size),
    best_rank: filled(NO_RANK, [batch]),
  };
}

function writeStep(context: ProgramContext, classifier: Classifier, written: Written): void {
  const { g, batch } = context;
  const size = 2 * written.height * written.width;
  const input = (name: string, ...shape: number[]) => g.input(name, 'float32', shape);
  const at = writeObjective(context, classifier, written);
  const memory: LbfgsMemory = {
    point: input('point', batch, size),
    gradient: input('gradient', batch, size),
    steps: input('steps', batch, written.memory, size),
    changes: input('changes', batch, written.memory, size),
    products: input('products', batch, written.memory),
    scale: input('scale', batch, 1),
  };
  const [slope] = gradient(g, { of: at.objective, wrt: [at.flow] });
  const { direction, next } = lbfgsDirection(g, at.flow, slope!, memory);
  // Before anything is known of the curvature, the step is no longer than 1 in the l1 norm.
  const steepness = g.reduceSum(g.abs(slope!), [1], true);
  const cautious = g.min(g.div(g.constant(1), g.max(steepness, g.constant(1e-30))), g.constant(1));
  const share = g.where(g.greater(input('first'), g.constant(0.5)), cautious, g.constant(1));
  const best = betterOf(g, at, batch);
  const state = { ...next, flow: g.add(at.flow, g.mul(direction, g.mul(share, input('step_size')))), ...best };
  for (const [name, value] of Object.entries(state)) g.output(value, `${name}_next`);
  g.output(g.reshape(steepness, [batch]), 'gradient_size');
}

function writeResult(context: ProgramContext, classifier: Classifier, written: Written): void {
  const { g, batch } = context;
  const at = writeObjective(context, classifier, written);
  const best = betterOf(g, at, batch);
  g.output(at.image, 'last');
  g.output(transformed(g, at.x, best.best_flow, at.epsilon).image, 'worst');
}

interface Flow {
  readonly x: Value;
  readonly epsilon: Value;
  readonly flow: Value;
  readonly image: Value;
  /** What L-BFGS lowers, [N]. */
  readonly objective: Value;
  /** Between −2 and 1: lower for adversarial images, then for a lower objective, [N]. */
  readonly rank: Value;
}

function writeObjective({ g, batch, model }: ProgramContext, classifier: Classifier, written: Written): Flow {
  const { smoothness, toward, height, width } = written;
  const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
  const epsilon = g.input('epsilon', 'float32', [batch]);
  const target = g.input('target', 'float32', [batch, classifier.classes.length]);
  const flow = g.input('flow', 'float32', [batch, 2 * height * width]);
  const { image, displacement } = transformed(g, x, flow, epsilon);
  const { logits } = model(image);
  const loss = objectives['cross-entropy'].build(g, logits, target);
  const objective = g.add(toward ? loss : g.neg(loss), g.scale(totalVariation(g, displacement), smoothness));
  const margin = objectives.margin.build(g, logits, target);
  const met = toward ? g.less(margin, g.constant(0)) : g.greater(margin, g.constant(0));
  const squashed = g.div(objective, g.offset(g.abs(objective), 1));
  return { x, epsilon, flow, image, objective, rank: g.sub(squashed, g.cast(met, 'float32')) };
}

/** The lower-ranking one of this flow and the best so far. */
function betterOf(g: GraphBuilder, { flow, rank }: Flow, batch: number) {
  const bestFlow = g.input('best_flow', 'float32', flow.shape);
  const bestRank = g.input('best_rank', 'float32', [batch]);
  const better = g.less(rank, bestRank);
  return {
    best_flow: g.where(eachImage(g, better, flow), flow, bestFlow),
    best_rank: g.where(better, rank, bestRank),
  };
}

function transformed(g: GraphBuilder, x: Value, flow: Value, epsilon: Value) {
  const [count = 0, , height = 0, width = 0] = x.shape;
  const field = g.reshape(flow, [count, 2, height, width]);
  const limit = eachImage(g, epsilon, field);
  const displacement = g.mul(limit, g.tanh(g.div(field, limit)));
  return {
    displacement,
    image: g.op('Clip', [sampleAlongFlow(g, x, displacement, 'edge'), g.constant(0), g.constant(1)]),
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
