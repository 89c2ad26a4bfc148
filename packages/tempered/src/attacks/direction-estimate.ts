/** @file Gradient directions from forward passes alone: what NES and HopSkipJump share. */
import type { Value } from 'onnx-grad';
import { defaultBatchSize, feed, floats, oneHot, scalar } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import type { Goal } from '../optimize/judgement.ts';
import { clipToBox } from '../optimize/project.ts';
import type { Random } from '../random.ts';
import { sizeOf } from '../tensor.ts';
import { writeMet, writeScore } from './goal.ts';
import { drawDirections, noiseTable, writeDirections } from './noise-table.ts';

export interface Estimator {
  /**
   * Σ (v − v̄) u / n over random directions u, where v is the value at x + radius · u, clipped to [0, 1]; u counts as
   * what clipping left of it. Where all values are equal, v̄ counts as 0 (Chen et al. 2020, eq. 16).
   *
   * @param x one image
   * @param target the class to leave or to reach
   */
  estimate(
    x: Float32Array,
    target: number,
    options: { radius: number; samples: number; random: Random },
  ): Promise<Float32Array>;
  release(): void;
}

export interface EstimatorOptions {
  /** What is seen of the model: scores, or only whether the goal is met (1 or −1). */
  value: 'score' | 'decision';
  kind: 'normal' | 'uniform';
  /** Whether every direction has length 1 in l2. */
  unit: boolean;
  /** Whether directions come in opposite pairs. */
  pairs: boolean;
  goal: Goal;
  seed: number;
}

/** Samples run in blocks of the model's default batch size, so that sums do not depend on the batch size of the task. */
export async function openEstimator(classifier: Classifier, options: EstimatorOptions): Promise<Estimator> {
  const { value, kind, unit, pairs, goal, seed } = options;
  const { runtime, inputShape, classes } = classifier;
  const size = sizeOf(inputShape);
  const rows = defaultBatchSize(classifier.description);
  const table = await noiseTable(runtime, kind, size, seed);
  const program = await classifier.program(
    `direction ${JSON.stringify([value, unit, goal, table.windows])}`,
    rows,
    ({ g, model }) => {
      const x = g.input('x', 'float32', [1, ...inputShape]);
      const radius = g.input('radius', 'float32', []);
      const weight = g.input('weight', 'float32', [rows]);
      const target = g.input('target', 'float32', [1, classes.length]);
      const drawn = writeDirections(g, table.windows + size - 1, rows, inputShape);
      const flat = g.reshape(drawn, [rows, size]);
      const length = g.offset(g.sqrt(g.reduceSum(g.square(flat), [1], true)), 1e-12);
      const directions = g.reshape(unit ? g.div(flat, length) : flat, [rows, ...inputShape]);
      const points = clipToBox(g, g.add(x, g.mul(directions, radius)));
      const { logits } = model(points);
      const classOfEach = g.expand(target, [rows, classes.length]);
      const values =
        value === 'score'
          ? writeScore(g, logits, classOfEach, goal)
          : g.offset(g.scale(writeMet(g, logits, classOfEach, goal), 2), -1);
      const moved = g.reshape(g.div(g.sub(points, x), radius), [rows, size]);
      const sum = (factor: Value) => g.reshape(g.matmul(g.reshape(factor, [1, rows]), moved), [size]);
      // Scores differ in their last digits only: summed as they are, those would be lost.
      const mean = g.div(g.reduceSum(g.mul(values, weight), [0], true), g.reduceSum(weight, [0], true));
      g.output(sum(g.mul(g.sub(values, mean), weight)), 'centred');
      g.output(mean, 'mean');
      g.output(sum(weight), 'plain');
      g.output(values, 'values');
    },
  );
  return { estimate, release: () => table.values.release() };

  async function estimate(
    x: Float32Array,
    target: number,
    { radius, samples, random }: Parameters<Estimator['estimate']>[2],
  ): Promise<Float32Array> {
    const weighted = new Float64Array(size);
    const plain = new Float64Array(size);
    const seen: number[] = [];
    for (let start = 0; start < samples; start += rows) {
      const used = Math.min(rows, samples - start);
      const { fetched } = await program.run({
        x: feed({ shape: [1, ...inputShape], data: x }),
        table: table.values,
        radius: scalar(radius),
        weight: feed({ shape: [rows], data: Float32Array.from({ length: rows }, (_, row) => Number(row < used)) }),
        target: feed(oneHot([target], classes.length)),
        ...drawDirections(random, table, { rows, used, pairs }),
      });
      seen.push(...floats(fetched.values!).subarray(0, used));
      const [centred, moved, mean] = [fetched.centred!, fetched.plain!, fetched.mean!].map(floats);
      for (let i = 0; i < size; i++) {
        weighted[i]! += centred![i]! + mean![0]! * moved![i]!;
        plain[i]! += moved![i]!;
      }
    }
    const mean = seen.reduce((a, b) => a + b, 0) / samples;
    const baseline = seen.every((v) => v === seen[0]) ? 0 : mean;
    return Float32Array.from(weighted, (sum, i) => (sum - baseline * plain[i]!) / samples);
  }
}
