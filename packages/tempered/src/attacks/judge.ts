/** @file What an attack found, judged afresh: another forward pass, bounds and distances in double precision. */
import { argmaxRows, predict, predictLogits, ranksOf } from '../models/predict.ts';
import { balls, type Norm } from '../optimize/ball.ts';
import { rows, sizeOf, type Tensor, takeRows } from '../tensor.ts';
import type { Attack } from './attack.ts';
import { normOf } from './norm-of.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Task, Verified } from './search.ts';

/** The images found, drawn into their balls, with predictions, distances and success. */
export async function judge(task: Task, attack: Attack, found: Found): Promise<Verified> {
  const norm = normOf(attack);
  checkBox(task, attack, found.adversarial);
  const adversarial = norm ? pulledIntoBalls(task, norm, found.adversarial) : found.adversarial;
  const { signal, batchSize, imageNumbers } = task;
  const logits = await predictLogits(task.judge, adversarial, { batchSize, imageNumbers, signal });
  const predictions = argmaxRows(logits);
  const distance = Float64Array.from(predictions, (_, i) =>
    balls[norm ?? 'l2'].distance(rows(adversarial, i, i + 1).data, rows(task.images, i, i + 1).data),
  );
  return {
    adversarial,
    predictions,
    rank: ranksOf(logits, task.labels),
    distance,
    success: successOf(task, predictions),
    zeroGradients: found.zeroGradients,
    forwards: found.forwards + predictions.length,
    gradients: found.gradients,
  };
}

/** Attacks keep to the box themselves, to the bit: what lies outside, or is no number, is a fault of theirs. */
function checkBox({ imageNumbers }: Task, { name }: Attack, { shape, data }: Tensor): void {
  const at = data.findIndex((value) => !(value >= 0 && value <= 1));
  if (at < 0) return;
  const image = Math.floor(at / sizeOf(shape.slice(1)));
  throw new TypeError(
    `a fault of the attack '${name}': it gave image ${imageNumbers[image]} the value ${data[at]}, outside [0, 1]; please report it`,
  );
}

const successOf = ({ labels, targets }: Task, predictions: Int32Array): Uint8Array =>
  Uint8Array.from(predictions, (k, i) => Number(targets ? k === targets[i] : k !== labels[i]));

/** Programs compute in single precision: what they leave a rounding error outside the ball is drawn back into it. */
function pulledIntoBalls({ images, epsilon }: Task, norm: Norm, found: Tensor): Tensor {
  const adversarial = { ...found, data: found.data.slice() };
  if (epsilon === undefined) return adversarial;
  for (const [i, radius] of epsilon.entries())
    balls[norm].pullIn(rows(adversarial, i, i + 1).data, rows(images, i, i + 1).data, radius);
  return adversarial;
}

/** Whether what is adversarial still is with its pixels rounded to 8 bits, [N]. */
export async function judgeRounded(task: Task, { adversarial, success }: Verified): Promise<Uint8Array> {
  const broken = Uint32Array.from(success.keys()).filter((i) => success[i] === 1);
  const survives = new Uint8Array(success.length);
  if (broken.length === 0) return survives;
  const images = takeRows(adversarial, broken);
  for (let i = 0; i < images.data.length; i++) images.data[i] = Math.round(images.data[i]! * 255) / 255;
  const part = onlyImages(task, broken);
  const { batchSize, imageNumbers, signal } = part;
  const predictions = await predict(task.judge, images, { batchSize, imageNumbers, signal });
  for (const [k, flag] of successOf(part, predictions).entries()) survives[broken[k]!] = flag;
  return survives;
}
