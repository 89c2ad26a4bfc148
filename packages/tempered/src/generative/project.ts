/** @file What a trained VAE-GAN is used for; batch normalisation works by its running statistics. */
import { decompose, emptyGraph, type Graph, GraphBuilder, specialize, type Value, writeModel } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { checkBatchSize, feed, floats, padRows } from '../models/batching.ts';
import type { Work } from '../progress.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, Program, Runtime } from '../runtime/runtime.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';
import { drawCode } from './losses.ts';
import { INPUTS, type Part, type VaeGan } from './vae-gan.ts';

interface PassOptions extends Work {
  /** Of the codes that are drawn. Default 0. */
  seed?: number;
  /** Images a run. Default 50. */
  batchSize?: number;
}

export interface ProjectOptions extends PassOptions {
  /**
   * `drawn`: one stochastic pass, the projection of the source; `mean`: the middle of the code's distribution. Default
   * `drawn`.
   */
  code?: 'drawn' | 'mean';
  /** Names the stream of each image's noise, so that it does not depend on the batch. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
}

/**
 * Reconstructions of images: their projections onto the manifold that the VAE-GAN has learned.
 *
 * @param images [N, C, H, W] in [0, 1]
 * @returns the same shape and range
 * @throws UsageError when the images do not fit
 * @example
 * const projected = await project(runtime, vaeGan, adversarial, { seed: 1 });
 */
export async function project(
  runtime: Runtime,
  vaeGan: VaeGan,
  images: Tensor,
  { seed = 0, batchSize = 50, code = 'drawn', imageNumbers, signal, onProgress }: ProjectOptions = {},
): Promise<Tensor> {
  const [count = 0, ...shape] = images.shape;
  if (shape.join() !== vaeGan.imageShape.join()) {
    throw new UsageError(
      `images of shape [${images.shape.join(', ')}] do not fit the VAE-GAN, which takes [N, ${vaeGan.imageShape.join(', ')}]`,
    );
  }
  if (imageNumbers !== undefined && imageNumbers.length !== count)
    throw new UsageError(`${count} images were given with ${imageNumbers.length} numbers`);
  const { codeSize } = vaeGan;
  const write = (g: GraphBuilder, batch: number): Value => {
    const encoded = apply(g, vaeGan, 'encoder', g.input('images', 'float32', [batch, ...vaeGan.imageShape]));
    const noise = g.input('noise', 'float32', [batch, codeSize]);
    const drawn = drawCode(g, encoded('mean'), encoded('log_variance'), noise);
    return apply(g, vaeGan, 'decoder', drawn)('image');
  };
  const noiseOf = (row: number, into: Float32Array) => {
    // Without noise the code is its mean.
    if (code === 'drawn') createRandom(seed, 'projection', imageNumbers?.[row] ?? row).fillNormal(into, 0, 1);
  };
  return decoded(
    runtime,
    vaeGan,
    { count, batchSize, stage: 'project', signal, onProgress },
    write,
    (chunk, batch) => ({
      images: feed(padRows(images, chunk, batch)),
      noise: noiseRows(chunk, batch, codeSize, noiseOf),
    }),
  );
}

/**
 * Images that the decoder makes of codes drawn from N(0, 1); number i is the same however many are asked for.
 *
 * @returns [count, C, H, W] in [0, 1]
 */
export async function sample(
  runtime: Runtime,
  vaeGan: VaeGan,
  count: number,
  { seed = 0, batchSize = 50, signal, onProgress }: PassOptions = {},
): Promise<Tensor> {
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(`the number of samples must be a whole number, 1 or more, not ${count}`);
  const { codeSize } = vaeGan;
  const write = (g: GraphBuilder, batch: number): Value =>
    apply(g, vaeGan, 'decoder', g.input('code', 'float32', [batch, codeSize]))('image');
  const codeOf = (row: number, into: Float32Array) => createRandom(seed, 'sample', row).fillNormal(into, 0, 1);
  return decoded(runtime, vaeGan, { count, batchSize, stage: 'sample', signal, onProgress }, write, (chunk, batch) => ({
    code: noiseRows(chunk, batch, codeSize, codeOf),
  }));
}

interface Rows {
  readonly start: number;
  readonly end: number;
}

/** Runs a program that ends in images over all rows, a batch at a time. */
async function decoded(
  runtime: Runtime,
  vaeGan: VaeGan,
  { count, batchSize, stage, signal, onProgress }: Work & { count: number; batchSize: number; stage: string },
  write: (g: GraphBuilder, batch: number) => Value,
  feeds: (rows: Rows, batch: number) => Record<string, HostTensor>,
): Promise<Tensor> {
  checkBatchSize(batchSize);
  const batch = Math.min(batchSize, Math.max(1, count));
  const result = zeros([count, ...vaeGan.imageShape]);
  const program = await compile(runtime, (g) => write(g, batch));
  try {
    for (let start = 0; start < count; start += batch) {
      signal?.throwIfAborted();
      const rows = { start, end: Math.min(start + batch, count) };
      const { fetched } = await program.run(feeds(rows, batch));
      const size = sizeOf(vaeGan.imageShape);
      result.data.set(floats(fetched.result!).subarray(0, (rows.end - start) * size), start * size);
      onProgress?.({ stage, done: rows.end, total: count });
    }
  } finally {
    program.release();
  }
  return result;
}

function compile(runtime: Runtime, write: (g: GraphBuilder) => Value): Promise<Program> {
  const g = new GraphBuilder(emptyGraph('vae-gan'));
  g.output(write(g), 'result');
  return runtime.compile(writeModel(decompose(g.graph)), { label: 'VAE-GAN' });
}

function apply(g: GraphBuilder, vaeGan: VaeGan, part: Part, x: Value): (output: string) => Value {
  const graph: Graph = specialize(vaeGan.graphs[part], { [INPUTS[part]]: x.shape });
  const values = g.append(graph, { [INPUTS[part]]: x });
  return (output) => values.get(output)!;
}

/** [batch, size], each row filled by its number; rows beyond the last stay zero. */
function noiseRows(
  { start, end }: Rows,
  batch: number,
  size: number,
  fill: (row: number, into: Float32Array) => void,
): HostTensor {
  const data = new Float32Array(batch * size);
  for (let row = start; row < end; row++) fill(row, data.subarray((row - start) * size, (row - start + 1) * size));
  return { dtype: 'float32', shape: [batch, size], data };
}
