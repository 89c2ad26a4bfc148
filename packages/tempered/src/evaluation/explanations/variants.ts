/** @file Many variants of each image through one program, batches filled across images. */
import type { Value } from 'onnx-grad';
import { chunks, feed, floats } from '../../models/batching.ts';
import type { ProgramContext } from '../../models/classifier.ts';
import { sizeOf, type Tensor, zeros } from '../../tensor.ts';
import type { MeasureTask } from './measure.ts';

/** Inputs that differ from variant to variant. */
interface VariantInput {
  readonly shape: readonly number[];
  /** Writes that of image i, variant k; must depend on these alone. */
  write(into: Float32Array, image: number, variant: number): void;
}

export interface Variants {
  /** Names the program: equal keys mean equal programs. */
  key: string;
  /** What progress is reported as. */
  stage: string;
  /** Variants of each image. */
  count: number;
  /** One row an image, [N, ...]; every one becomes an input of the program by its name. */
  ofImages: Readonly<Record<string, Tensor>>;
  ofVariants?: Readonly<Record<string, VariantInput>>;
  /** Returns outputs whose first axis is the batch. */
  write(context: ProgramContext, inputs: Readonly<Record<string, Value>>): Readonly<Record<string, Value>>;
}

export type VariantTask = Pick<MeasureTask, 'classifier' | 'batchSize' | 'signal' | 'onProgress'>;

/** Runs a program on every variant of every image; each output is [N · count, ...], the variants of an image in a row. */
export async function runVariants(
  { classifier, batchSize, signal, onProgress }: VariantTask,
  { key, stage, count, ofImages, ofVariants = {}, write }: Variants,
): Promise<Record<string, Tensor>> {
  const total = Object.values(ofImages)[0]!.shape[0]! * count;
  const plan = chunks(total, batchSize, classifier.description);
  const shapes = {
    ...Object.fromEntries(Object.entries(ofImages).map(([name, { shape }]) => [name, shape.slice(1)] as const)),
    ...Object.fromEntries(Object.entries(ofVariants).map(([name, { shape }]) => [name, shape] as const)),
  };
  const program = await classifier.program(`measure ${key}`, plan.batch, (context) => {
    const { g, batch } = context;
    const inputs = Object.entries(shapes).map(
      ([name, shape]) => [name, g.input(name, 'float32', [batch, ...shape])] as const,
    );
    for (const [name, value] of Object.entries(write(context, Object.fromEntries(inputs))))
      g.output(value, `out/${name}`);
  });
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, zeros([plan.batch, ...shape])]),
  );
  const results: Record<string, Tensor> = {};
  for (const { start, end } of plan.chunks) {
    signal?.throwIfAborted();
    for (let row = 0; row < plan.batch; row++) {
      // Places that are left over repeat the last row.
      const at = Math.min(start + row, end - 1);
      const [image, variant] = [Math.floor(at / count), at % count];
      for (const [name, { data }] of Object.entries(feeds)) {
        const size = data.length / plan.batch;
        const place = data.subarray(row * size, (row + 1) * size);
        const given = ofImages[name];
        if (given) place.set(given.data.subarray(image * size, (image + 1) * size));
        else ofVariants[name]!.write(place.fill(0), image, variant);
      }
    }
    const { fetched } = await program.run(
      Object.fromEntries(
        Object.entries(feeds).flatMap(([name, tensor]) =>
          program.inputNames.includes(name) ? [[name, feed(tensor)] as const] : [],
        ),
      ),
    );
    for (const [output, value] of Object.entries(fetched)) {
      const name = output.slice('out/'.length);
      const size = sizeOf(value.shape.slice(1));
      results[name] ??= zeros([total, ...value.shape.slice(1)]);
      results[name].data.set(floats(value).subarray(0, (end - start) * size), start * size);
    }
    onProgress?.({ stage, done: end, total });
  }
  return results;
}
