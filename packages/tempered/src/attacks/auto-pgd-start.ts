/** @file Where AutoPGD starts. */
import { chunks, feed, padRows } from '../models/batching.ts';
import { randomStart } from '../optimize/optimize-input.ts';
import { projections } from '../optimize/project.ts';
import { copyRows } from '../optimize/staged.ts';
import { createRandom } from '../random.ts';
import { type Tensor, zeros } from '../tensor.ts';
import type { AutoPgd } from './auto-pgd.ts';
import type { Task } from './search.ts';

export const numbers = (data: ArrayLike<number>): Tensor => ({ shape: [data.length], data: Float32Array.from(data) });

/** linf and l2: at distance ε before the box clips it; l1: normal noise, which is then drawn into the ball. */
export function startOf({ images, epsilon, seed, imageNumbers }: Task, { norm }: AutoPgd, restart: number): Tensor {
  const count = images.shape[0]!;
  if (norm !== 'l1')
    return randomStart(images, { start: 0, end: count }, restart, {
      ...{ norm, seed, imageNumbers, randomStart: 'sphere' },
      epsilon: numbers(epsilon!),
    });
  const start = { ...images, data: images.data.slice() };
  const size = start.data.length / count;
  const noise = new Float32Array(size);
  for (let i = 0; i < count; i++) {
    createRandom(seed, 'start', imageNumbers[i]!, restart).fillNormal(noise, 0, 1);
    for (let p = 0; p < size; p++) start.data[i * size + p]! += noise[p]!;
  }
  return start;
}

/** The nearest points of the balls. */
export async function drawn(
  { classifier, images, batchSize }: Task,
  attack: AutoPgd,
  x: Tensor,
  epsilon: Tensor,
): Promise<Tensor> {
  const { norm, projection } = attack;
  const plan = chunks(x.shape[0]!, batchSize, classifier.description);
  const program = await classifier.program(`project ${norm} ${projection}`, plan.batch, ({ g, batch }) => {
    const [from, origin] = ['x', 'origin'].map((name) => g.input(name, 'float32', [batch, ...classifier.inputShape]));
    const radius = g.reshape(g.input('epsilon', 'float32', [batch]), [batch, ...classifier.inputShape.map(() => 1)]);
    g.output(projections[projection][norm](g, from!, origin!, radius), 'projected');
  });
  const result = zeros(x.shape);
  for (const chunk of plan.chunks) {
    const padded = (tensor: Tensor) => feed(padRows(tensor, chunk, plan.batch));
    const { fetched } = await program.run({ x: padded(x), origin: padded(images), epsilon: padded(epsilon) });
    copyRows(fetched.projected!, chunk, result.data);
  }
  return result;
}

/** The sparsity that a smaller ball takes over from a larger one. */
export function sparsityOf(x: Tensor, images: Tensor): Record<'share' | 'moved', Tensor> {
  const count = x.shape[0]!;
  const size = x.data.length / count;
  const moved = Float32Array.from({ length: count }, (_, i) => {
    let changed = 0;
    for (let p = i * size; p < (i + 1) * size; p++) if (x.data[p] !== images.data[p]) changed += 1;
    return changed;
  });
  return { share: numbers(moved.map((changed) => changed / size / 1.5)), moved: numbers(moved) };
}
