/** @file Questions to a model about decisions alone, for many images at a time. */

import type { Value } from 'onnx-grad';
import { type Chunk, chunks, feed, floats, padRows } from '../models/batching.ts';
import type { ClassifierProgram } from '../models/classifier.ts';
import { perImage } from '../optimize/ball.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { eachImage } from '../optimize/project.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { rows, type Tensor, zeros } from '../tensor.ts';
import { goalClasses, goalOf, writeMet } from './goal.ts';
import { onlyImages } from './only-images.ts';
import type { Task } from './search.ts';

/** Pixels that stand for one image of the task. */
export interface Candidate {
  readonly index: number;
  x: Float32Array;
}

export interface Decisions {
  /** Whether each candidate meets the goal. */
  met(candidates: readonly Candidate[]): Promise<boolean[]>;
  /**
   * Replaces each candidate, which must meet the goal, by the nearest point to its original that was seen to meet it,
   * by bisection: on the line between them, or in linf on the path of points clipped to shrinking boxes.
   */
  search(candidates: readonly Candidate[], along: 'linf' | 'l2', halvings: number): Promise<void>;
  /** Forward passes so far. */
  count(): number;
}

export function decisions(task: Task): Decisions {
  const { classifier, batchSize, signal } = task;
  const goal = goalOf(task);
  let count = 0;

  /** Runs over padded chunks of the candidates; `work` gets their pixels, originals and classes. */
  async function each(candidates: readonly Candidate[], work: (part: PaddedPart) => Promise<void>): Promise<void> {
    const part = onlyImages(
      task,
      Uint32Array.from(candidates, ({ index }) => index),
    );
    const x = zeros([candidates.length, ...classifier.inputShape]);
    for (const [k, candidate] of candidates.entries()) rows(x, k, k + 1).data.set(candidate.x);
    const plan = chunks(candidates.length, batchSize, classifier.description);
    for (const chunk of plan.chunks) {
      signal?.throwIfAborted();
      const target = goalClasses(part, chunk, plan.batch);
      const own = candidates.slice(chunk.start, chunk.end);
      const padded = (tensor: Tensor) => feed(padRows(tensor, chunk, plan.batch));
      await work({ own, chunk, batch: plan.batch, x: padded(x), origin: padded(part.images), target });
    }
  }

  return {
    count: () => count,
    async met(candidates) {
      const found: boolean[] = [];
      await each(candidates, async ({ own, batch, x, target }) => {
        const program = await compileMet(task, batch);
        const { fetched } = await program.run({ x, target });
        found.push(...Array.from(floats(fetched.met!).subarray(0, own.length), (met) => met > 0));
      });
      count += candidates.length;
      return found;
    },
    async search(candidates, along, halvings) {
      await each(candidates, async ({ own, batch, x, origin, target }) => {
        const program = await compileBisection(task, along, batch);
        const bounds = (value: number) => feed({ shape: [batch], data: new Float32Array(batch).fill(value) });
        const state = await iterate(program, {
          state: { low: bounds(0), high: bounds(1) },
          constants: { x, origin, target },
          steps: halvings,
          signal,
          fetch: (step) => (step === halvings - 1 ? ['point'] : []),
          onStep: (_, { point }) => {
            if (point === undefined) return;
            const points = { shape: point.shape, data: floats(point) };
            for (const [k, candidate] of own.entries()) candidate.x = rows(points, k, k + 1).data.slice();
          },
        });
        releaseAll(state);
      });
      count += candidates.length * halvings;
    },
  };

  function compileMet({ classifier }: Task, batch: number): Promise<ClassifierProgram> {
    return classifier.program(`met ${goal}`, batch, ({ g, model }) => {
      const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
      const target = g.input('target', 'float32', [batch, classifier.classes.length]);
      g.output(writeMet(g, model(x).logits, target, goal), 'met');
    });
  }

  /** Halves the interval of shares of the way from the original: `high` meets the goal, `low` does not. */
  function compileBisection({ classifier }: Task, along: 'linf' | 'l2', batch: number): Promise<ClassifierProgram> {
    return classifier.program(`bisection ${along} ${goal}`, batch, ({ g, model }) => {
      const image = [batch, ...classifier.inputShape];
      const [x, origin] = ['x', 'origin'].map((name) => g.input(name, 'float32', image)) as [Value, Value];
      const [low, high] = ['low', 'high'].map((name) => g.input(name, 'float32', [batch])) as [Value, Value];
      const target = g.input('target', 'float32', [batch, classifier.classes.length]);
      const delta = g.sub(x, origin);
      const reach = g.reduceMax(g.abs(delta), perImage(delta), true);
      const at = (share: Value) => {
        const spread = eachImage(g, share, origin);
        if (along === 'l2') return g.add(origin, g.mul(delta, spread));
        const bound = g.mul(reach, spread);
        return g.add(origin, g.max(g.min(delta, bound), g.neg(bound)));
      };
      const middle = g.scale(g.add(low, high), 0.5);
      const met = g.greater(writeMet(g, model(at(middle)).logits, target, goal), g.constant(0.5));
      g.output(g.where(met, low, middle), 'low_next');
      const closer = g.output(g.where(met, middle, high), 'high_next');
      g.output(at(closer), 'point');
    });
  }
}

interface PaddedPart {
  readonly own: readonly Candidate[];
  readonly chunk: Chunk;
  readonly batch: number;
  readonly x: HostTensor;
  readonly origin: HostTensor;
  readonly target: HostTensor;
}
