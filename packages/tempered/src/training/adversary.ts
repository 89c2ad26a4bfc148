/** @file The inner maximisation of a training: compiled steps against the weights of the moment. */
import { decompose, emptyGraph, GraphBuilder, gradient, type Value, writeModel } from 'onnx-grad';
import { stepSizeAt } from '../attacks/pgd.ts';
import { feed, scalar } from '../models/batching.ts';
import type { ClassifierProgram, ModelDescription } from '../models/classifier.ts';
import { keysInProgram } from '../models/namespace.ts';
import { classActivationHead } from '../objectives/class-activation-map.ts';
import { writeMove } from '../optimize/direction.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { randomStart } from '../optimize/optimize-input.ts';
import { projections } from '../optimize/project.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, Program, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { Clock } from './clock.ts';
import { type InnerMaximisation, innerObjective, innerSteps } from './method.ts';
import type { LossContext } from './objectives/context.ts';
import { termWeights, writeTerms } from './objectives/terms.ts';
import { fedPass, once, REFERENCES, type Reference, writtenPass } from './passes.ts';
import { rampFactor } from './ramp.ts';
import { trainedModel } from './training-graph.ts';
import type { TrainingState } from './training-state.ts';

export interface AttackedBatch {
  /** [batch, C, H, W] in [0, 1]. */
  readonly images: Tensor;
  /** The same, with the engine. */
  readonly origin: ResidentTensor;
  /** One-hot classes, [batch, K]. */
  readonly target: HostTensor;
  readonly clock: Clock;
  readonly seed: number;
  /** Number of the first image, counted through the whole training, so that no image starts twice from the same point. */
  readonly firstNumber: number;
  readonly signal?: AbortSignal;
}

export interface Adversary {
  /** Adversarial images under the present weights, which the caller releases; undefined while ε is 0. */
  attack(batch: AttackedBatch): Promise<ResidentTensor | undefined>;
  release(): void;
}

/** Compiles the attack of a training on `batchSize` images; `state` is read, and perhaps moved, at every step. */
export async function compileAdversary(
  runtime: Runtime,
  model: ModelDescription,
  { inner, batchSize, state }: { inner: InnerMaximisation; batchSize: number; state: TrainingState },
): Promise<Adversary> {
  const how = innerSteps(inner);
  const head = once(() => classActivationHead(model));
  const references = writeReferences(model, { inner, batchSize, state, head });
  const written = writeStep(model, { inner, batchSize, state, head }, (name) => references.shapes(name));
  const step = await runtime.compile(writeModel(decompose(written.graph)), {
    label: `attack in training ${model.name}`,
  });
  const program = onState(step, state, written.statistics);
  const clean = written.references.length > 0 ? await references.compile(runtime, written.references) : undefined;
  const reference = clean && onState(clean, state, {});
  return {
    async attack(batch) {
      const { images, origin, target, clock, signal } = batch;
      const epsilon = inner.epsilon * rampFactor(inner.ramp, clock);
      if (epsilon === 0) return undefined;
      const { steps, stepSize } = how;
      const each = (value: number) => feed({ shape: [batchSize], data: new Float32Array(batchSize).fill(value) });
      const weights = Object.entries(termWeights(innerObjective(inner), clock)).map(([name, w]) => [name, scalar(w)]);
      const kept = (await reference?.run({ x: origin }, { fetch: [], keep: written.references }))?.kept ?? {};
      try {
        const start = await runtime.upload(feed(startOf(inner, batch, epsilon)));
        const best: Record<string, HostTensor> =
          how.keep === 'batch' ? { best_x: feed(images), best_value: scalar(-3e38) } : {};
        const reached = await iterate(program, {
          state: { x: start, ...best },
          constants: {
            origin,
            target,
            epsilon: each(epsilon),
            step_size: each(stepSizeAt({ stepSize }, epsilon)),
            ...Object.fromEntries(weights),
            ...kept,
          },
          steps,
          signal,
        });
        const { [how.keep === 'batch' ? 'best_x' : 'x']: result, ...rest } = reached;
        releaseAll(rest);
        return result as ResidentTensor;
      } finally {
        releaseAll(kept);
      }
    },
    release() {
      step.release();
      clean?.release();
    },
  };
}

interface Writing {
  readonly inner: InnerMaximisation;
  readonly batchSize: number;
  readonly state: TrainingState;
  readonly head: () => ReturnType<typeof classActivationHead>;
}

/** x → x_next: objective, gradient, step and projection in one graph. */
function writeStep(
  model: ModelDescription,
  { inner, batchSize, state, head }: Writing,
  referenceShape: (name: Reference) => readonly number[],
) {
  const g = new GraphBuilder(emptyGraph('attack'));
  const shape = [batchSize, ...model.inputShape];
  const x = g.input('x', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [batchSize, model.classes.length]);
  const [epsilon, size] = ['epsilon', 'step_size'].map((name) =>
    g.reshape(g.input(name, 'float32', [batchSize]), [batchSize, ...model.inputShape.map(() => 1)]),
  ) as [Value, Value];
  const trained = trainedModel(g, model, state.parameters);
  const { batchNorm = 'evaluation' } = inner;
  const mode = batchNorm === 'evaluation' ? 'evaluation' : 'training';
  const moveStatistics = batchNorm === 'training, moving statistics';
  const clean = fedPass(g, () => origin, referenceShape);
  const context: LossContext = {
    g,
    target,
    softTarget: target,
    passes: {
      clean,
      adversarial: writtenPass(
        g,
        () => x,
        (images) => trained.apply(images, { mode, moveStatistics }),
        head,
      ),
    },
    apply: (images) => trained.apply(images, { mode }),
  };
  const value = writeTerms(context, innerObjective(inner));
  const [dx] = gradient(g, { of: value, wrt: [x] });
  const { norm, direction, projection, keep } = innerSteps(inner);
  const moved = writeMove(g, norm, direction, x, dx!, size);
  g.output(projections[projection][norm](g, moved, origin, epsilon), 'x_next');
  if (keep === 'batch') {
    const [bestX, bestValue] = [g.input('best_x', 'float32', shape), g.input('best_value', 'float32', [])];
    const mean = g.reduceMean(value, [0]);
    const better = g.greater(mean, bestValue);
    g.output(g.where(better, x, bestX), 'best_x_next');
    g.output(g.where(better, mean, bestValue), 'best_value_next');
  }
  return { graph: g.graph, references: [...clean.read], statistics: writeStatistics(g, trained.statistics) };
}

/** Declares the moved running statistics as outputs; returns the output of each. */
function writeStatistics(g: GraphBuilder, statistics: Readonly<Record<string, Value>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(statistics).map(([name, value]) => [name, g.output(value, `next/${name}`).name]),
  );
}

/** What the steps read of the clean images, in a program of its own. */
function writeReferences(model: ModelDescription, { inner, batchSize, state, head }: Writing) {
  const g = new GraphBuilder(emptyGraph('clean pass'));
  const mode = inner.batchNorm === undefined || inner.batchNorm === 'evaluation' ? 'evaluation' : 'training';
  const trained = trainedModel(g, model, state.parameters);
  const x = g.input('x', 'float32', [batchSize, ...model.inputShape]);
  const pass = writtenPass(
    g,
    () => x,
    (images) => trained.apply(images, { mode }),
    head,
  );
  const value = (name: Reference) => (name === 'clean_logits' ? pass.logits : pass.maps);
  return {
    shapes: (name: Reference) => value(name).shape,
    compile(runtime: Runtime, names: readonly Reference[]): Promise<Program> {
      for (const name of REFERENCES) if (names.includes(name)) g.output(value(name), name);
      return runtime.compile(writeModel(decompose(g.graph)), { label: `clean pass in training ${model.name}` });
    },
  };
}

/** A program that is fed the parameters of a training at every run, and moves the running statistics it writes. */
function onState(
  program: Program,
  state: TrainingState,
  statistics: Readonly<Record<string, string>>,
): ClassifierProgram {
  return {
    inputNames: program.inputNames,
    async run(feeds, options) {
      const result = await program.run(
        { ...feeds, ...keysInProgram(state.parameters) },
        { ...options, keep: [...(options?.keep ?? []), ...Object.values(statistics)] },
      );
      for (const [name, output] of Object.entries(statistics)) {
        state.parameters[name]!.release();
        state.parameters[name] = result.kept[output]!;
      }
      return result;
    },
  };
}

function startOf(inner: InnerMaximisation, { images, seed, firstNumber }: AttackedBatch, epsilon: number): Tensor {
  const count = images.shape[0]!;
  const { attack, gaussianStart } = inner;
  if (gaussianStart !== undefined) {
    const start = { shape: images.shape, data: images.data.slice() };
    const noise = new Float32Array(images.data.length / count);
    for (let row = 0; row < count; row++) {
      createRandom(seed, 'start', firstNumber + row).fillNormal(noise, 0, gaussianStart);
      for (let i = 0; i < noise.length; i++) start.data[row * noise.length + i]! += noise[i]!;
    }
    return start;
  }
  return randomStart(images, { start: 0, end: count }, 0, {
    norm: attack.norm,
    epsilon: { shape: [count], data: new Float32Array(count).fill(epsilon) },
    seed,
    imageNumbers: Array.from({ length: count }, (_, i) => firstNumber + i),
    randomStart: attack.randomStart,
  });
}
