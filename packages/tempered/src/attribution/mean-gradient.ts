/** @file The mean gradient over points on a line or in a cloud of noise: integrated gradients and SmoothGrad. */
import { gradient } from 'onnx-grad';
import { feed, floats } from '../models/batching.ts';
import type { Classifier, ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { type Tensor, zeros } from '../tensor.ts';
import { type Explained, explained, keyOfExplained } from './explained.ts';

/** Where the gradient is taken: origin + position · (image − origin) + noise, for each point. */
export interface Path {
  readonly points: number;
  /** Start of the line; the image itself when there is no line. */
  readonly origin: Tensor;
  position(point: number): number;
  /** Writes the noise of the next point. */
  readonly noise?: (into: Float32Array) => void;
}

interface PointsWork extends Pick<Work, 'signal'> {
  /** Called after every run with the number of points done. */
  onPoints?: (done: number) => void;
}

/** One image [1, ...] and its row of targets [1, K]. */
export type MeanGradient = (image: Tensor, target: Tensor, path: Path, work: PointsWork) => Promise<Float32Array>;

/** Compiles the mean gradient for batches of points. The sum stays with the engine until the last batch. */
export async function compileMeanGradient(
  classifier: Classifier,
  { of, noisy, batch }: { of: Explained; noisy: boolean; batch: number },
): Promise<MeanGradient> {
  const program = await classifier.program(`mean gradient of ${keyOfExplained(of)} ${noisy}`, batch, (context) =>
    writeMeanGradient(context, classifier, of, noisy),
  );
  return (image, target, path, work) => run(program, { image, target: feed(target), path, batch, ...work });
}

async function run(
  program: ClassifierProgram,
  {
    image,
    target,
    path,
    batch,
    signal,
    onPoints,
  }: PointsWork & { image: Tensor; target: HostTensor; path: Path; batch: number },
): Promise<Float32Array> {
  const size = image.data.length;
  let total: HostTensor | ResidentTensor = feed(zeros(image.shape));
  try {
    for (let start = 0; start < path.points; start += batch) {
      signal?.throwIfAborted();
      const used = Math.min(batch, path.points - start);
      // Unused places repeat the last point: elsewhere, such as at the baseline, a gradient may not be finite.
      const positions = Float32Array.from({ length: batch }, (_, i) => path.position(start + Math.min(i, used - 1)));
      const weights = Float32Array.from({ length: batch }, (_, i) => (i < used ? 1 / path.points : 0));
      const noise = path.noise && zeros([batch, ...image.shape.slice(1)]);
      for (let i = 0; noise && i < used; i++) path.noise?.(noise.data.subarray(i * size, (i + 1) * size));
      const { kept } = await program.run(
        {
          image: feed(image),
          origin: feed(path.origin),
          target,
          position: { dtype: 'float32', shape: [batch], data: positions },
          weight: { dtype: 'float32', shape: [batch], data: weights },
          ...(noise && { noise: feed(noise) }),
          total,
        },
        { fetch: [], keep: ['total_next'] },
      );
      if ('resident' in total) total.release();
      total = kept.total_next!;
      onPoints?.(start + used);
    }
    return 'resident' in total ? floats(await total.read()) : floats(total);
  } finally {
    if ('resident' in total) total.release();
  }
}

function writeMeanGradient(
  { g, batch, model }: ProgramContext,
  classifier: Classifier,
  of: Explained,
  noisy: boolean,
): void {
  const shape = [1, ...classifier.inputShape];
  const spread = [batch, ...classifier.inputShape.map(() => 1)];
  const image = g.input('image', 'float32', shape);
  const origin = g.input('origin', 'float32', shape);
  const target = g.input('target', 'float32', [1, classifier.classes.length]);
  const position = g.reshape(g.input('position', 'float32', [batch]), spread);
  const weight = g.reshape(g.input('weight', 'float32', [batch]), spread);
  const total = g.input('total', 'float32', shape);
  const onLine = g.add(origin, g.mul(position, g.sub(image, origin)));
  const x = noisy ? g.add(onLine, g.input('noise', 'float32', [batch, ...classifier.inputShape])) : onLine;
  const value = explained(g, model(x), target, of);
  const [dx] = gradient(g, { of: value, wrt: [x] });
  g.output(g.add(total, g.reduceSum(g.mul(dx!, weight), [0], true)), 'total_next');
}
