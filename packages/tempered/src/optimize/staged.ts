/** @file A compiled step run on any number of images, those that are done making room for the others. */
import { type Chunk, chunks, feed, floats, padRows } from '../models/batching.ts';
import type { Classifier, ClassifierProgram } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { uploadAll } from '../runtime/upload-all.ts';
import { putRows, type Tensor, takeRows, zeros } from '../tensor.ts';
import { iterate, releaseAll } from './iterate.ts';

/** Tensors by name, each with a row for every image. */
export type Rows = Readonly<Record<string, Tensor>>;

export interface StagedOptions extends Work {
  /** The step: reads `name` and writes `name_next` for every name of the state. */
  program: (batch: number) => Promise<ClassifierProgram>;
  state: Rows;
  constants: Rows;
  /** Images. */
  count: number;
  steps: number;
  batchSize: number;
  /**
   * Name of a state, [N], that is 1 for images that are done; the program brings it back as `succeeded`. They leave after
   * 1, 2, 4, 8 ... steps, when the others move up, so that few batches run with gaps. A longer run takes the same batches
   * as a shorter one as far as that goes.
   */
  done?: string;
  /** Feeds 1 for the rows of a batch that are images, and 0 for padding, as `counted`. */
  countsRows?: boolean;
  /** Small tensors that step number `step` reads, the same for all images. */
  feeds?: (step: number) => Readonly<Record<string, HostTensor>>;
  /** Outputs to bring back for `onStep`. */
  fetch?: (step: number) => readonly string[];
  /** Called after each step of each batch. */
  onStep?: (event: StageStep) => void | Promise<void>;
}

export interface StageStep {
  readonly step: number;
  /** Rows of the batch among the images that are left. */
  readonly chunk: Chunk;
  readonly fetched: Readonly<Record<string, HostTensor>>;
  /** The state that the step read. */
  readonly before: Readonly<Record<string, HostTensor | ResidentTensor>>;
}

/** Runs the steps, and returns the state at their end and the number of image steps taken. */
export async function runStaged(
  classifier: Classifier,
  options: StagedOptions,
): Promise<{ state: Rows; taken: number }> {
  const { count, steps, done, onProgress } = options;
  const state = mapRows(options.state, ({ shape, data }) => ({ shape, data: data.slice() }));
  const total = count * steps;
  let taken = 0;
  let left = Uint32Array.from({ length: count }, (_, i) => i);
  let from = 0;
  for (const length of done === undefined ? [steps] : doublingStages(steps)) {
    if (left.length === 0) break;
    const own = (rows: Rows) => (left.length === count ? rows : mapRows(rows, (tensor) => takeRows(tensor, left)));
    const saved = (count - left.length) * (steps - from);
    const reached = await runStage(classifier, options, {
      ...{ count: left.length, from, length, state: own(state), constants: own(options.constants) },
      onTaken: (images) => {
        taken += images;
        onProgress?.({ stage: 'optimise', done: Math.min(total, taken + saved), total });
      },
    });
    for (const [name, tensor] of Object.entries(reached)) putRows(state[name]!, tensor, left);
    from += length;
    if (done !== undefined) left = left.filter((_, row) => reached[done]!.data[row] !== 1);
  }
  return { state, taken };
}

/** 1, 1, 2, 4, 8 ... steps, `steps` together. */
function doublingStages(steps: number): number[] {
  const stages: number[] = [];
  for (let done = 0; done < steps; done += stages.at(-1)!) stages.push(Math.min(Math.max(1, done), steps - done));
  return stages;
}

interface Stage {
  readonly count: number;
  readonly from: number;
  readonly length: number;
  readonly state: Rows;
  readonly constants: Rows;
  onTaken(images: number): void;
}

async function runStage(classifier: Classifier, options: StagedOptions, stage: Stage): Promise<Rows> {
  const { count, from, length } = stage;
  const plan = chunks(count, options.batchSize, classifier.description);
  const program = await options.program(plan.batch);
  const reached = mapRows(stage.state, ({ shape }) => zeros(shape));
  for (const chunk of plan.chunks) {
    const used = chunk.end - chunk.start;
    const padded = (rows: Rows) =>
      Object.fromEntries(
        Object.entries(rows).map(([name, tensor]) => [name, feed(padRows(tensor, chunk, plan.batch))]),
      );
    const isOver = (succeeded: HostTensor) => floats(succeeded).subarray(0, used).every(Boolean);
    const constants = await uploadAll(classifier.runtime, padded(stage.constants));
    try {
      const after = await iterate(program, {
        state: padded(stage.state),
        constants: { ...constants, ...(options.countsRows && { counted: feed(onesFor(used, plan.batch)) }) },
        steps: length,
        signal: options.signal,
        feeds: (step) => options.feeds?.(from + step) ?? {},
        fetch: (step) => [
          ...(options.fetch?.(from + step) ?? []),
          ...(options.done === undefined ? [] : ['succeeded']),
        ],
        onStep: async (step, fetched, before) => {
          await options.onStep?.({ step: from + step, chunk, fetched, before });
          stage.onTaken(used);
          return options.done !== undefined && isOver(fetched.succeeded!) ? 'stop' : undefined;
        },
      });
      try {
        for (const [name, tensor] of Object.entries(after))
          copyRows('resident' in tensor ? await tensor.read() : tensor, chunk, reached[name]!.data);
      } finally {
        releaseAll(after);
      }
    } finally {
      releaseAll(constants);
    }
  }
  return reached;
}

/** Copies the rows of a chunk from what a program fetched to where they belong. */
export function copyRows(fetched: HostTensor, { start, end }: Chunk, into: Float32Array | Uint8Array): void {
  const data = floats(fetched);
  const size = data.length / fetched.shape[0]!;
  into.set(data.subarray(0, (end - start) * size), start * size);
}

const mapRows = (rows: Rows, change: (tensor: Tensor) => Tensor): Rows =>
  Object.fromEntries(Object.entries(rows).map(([name, tensor]) => [name, change(tensor)]));

const onesFor = (used: number, batch: number): Tensor => ({
  shape: [batch],
  data: Float32Array.from({ length: batch }, (_, row) => Number(row < used)),
});
