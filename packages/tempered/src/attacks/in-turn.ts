/** @file Attacks tried one after the other, the best result kept for each image: what combinators have in common. */
import { rows } from '../tensor.ts';
import type { Attack } from './attack.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Run, Task } from './search.ts';

export interface Attempt {
  readonly attack: Attack;
  /** Which repetition of the attack this is; default: that of the task. */
  readonly restart?: number;
  /** The class to reach with each image of the task; −1 leaves an image out. Default: those of the task. */
  readonly targets?: Int32Array;
}

/**
 * Inside balls, each attempt gets the images that none before it has broken; where the smallest perturbation is sought,
 * every attempt gets all images and the shortest result counts. An image is broken when the task's own goal is met: a
 * targeted attempt at an untargeted task may miss its target and still succeed.
 */
export async function searchInTurn(task: Task, attempts: readonly Attempt[], run: Run): Promise<Found> {
  const count = task.labels.length;
  const data = task.images.data.slice();
  const size = data.length / count;
  const best = new Float64Array(count).fill(Infinity);
  const tried = new Uint8Array(count);
  let [zeroGradients, forwards, gradients] = [0, 0, 0];
  for (const [turn, { attack, restart = task.restart, targets }] of attempts.entries()) {
    const open = Uint32Array.from(best.keys()).filter(
      (i) => (task.epsilon === undefined || best[i] === Infinity) && (targets === undefined || targets[i]! >= 0),
    );
    if (open.length === 0) continue;
    const part = onlyImages(task, open);
    const aims = targets ? Int32Array.from(open, (i) => targets[i]!) : part.targets;
    const onProgress: Task['onProgress'] =
      task.onProgress &&
      ((progress) =>
        task.onProgress?.({
          ...progress,
          done: turn * progress.total + progress.done,
          total: attempts.length * progress.total,
        }));
    const found = await run({ ...part, restart, targets: aims, onProgress }, attack);
    zeroGradients = Math.max(zeroGradients, found.zeroGradients);
    forwards += found.forwards;
    gradients += found.gradients;
    for (const [k, i] of open.entries()) {
      const broken = task.targets ? found.predictions[k] === task.targets[i] : found.predictions[k] !== task.labels[i];
      const shorter = broken && found.distance[k]! < best[i]!;
      // What fails is kept where there is nothing else: it shows how near the attack came.
      if (shorter || (!broken && tried[i] === 0)) data.set(rows(found.adversarial, k, k + 1).data, i * size);
      if (shorter) best[i] = found.distance[k]!;
      tried[i] = 1;
    }
  }
  return { adversarial: { ...task.images, data }, zeroGradients, forwards, gradients };
}
