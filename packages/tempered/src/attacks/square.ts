import { UsageError } from '../errors.ts';
import { chunks, feed, floats, padRows } from '../models/batching.ts';
import type { ClassifierProgram } from '../models/classifier.ts';
import type { Norm } from '../optimize/ball.ts';
import { iterate, releaseAll } from '../optimize/iterate.ts';
import { createRandom, type Random } from '../random.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';
import { putRows, rows, sizeOf, type Tensor, takeRows } from '../tensor.ts';
import { goalClasses, goalOf, imageShape, writeMet, writeScore } from './goal.ts';
import { onlyImages } from './only-images.ts';
import type { Found, Search, Task } from './search.ts';
import { checkCounts, checkShares } from './settings.ts';
import { drawWindows, fillStart, windowSide, writeProposal } from './square-windows.ts';

export interface Square {
  readonly name: 'square';
  readonly norm: Norm;
  /** Forward passes an image may take. */
  readonly queries: number;
  /** Share of the pixels that the first windows cover. */
  readonly share: number;
  /** Queries in which windows shrink to their last size. */
  readonly schedule: number;
}

export interface SquareOptions {
  /** Default `'linf'`. */
  norm?: Norm;
  /** Default 5000. */
  queries?: number;
  /** p of the paper. Default 0.8. */
  share?: number;
  /** Default: all queries. AutoAttack keeps to the 10,000 of the paper. */
  schedule?: number;
}

/**
 * Square attack: random search in square windows by scores alone, no gradients. Andriushchenko et al. 2020; in l1 the
 * form for l2 with lengths in l1, and the exact projection on ball and box. Climbs the margin, or with targets the
 * log-probability of the target. Images that are broken leave, and cost no more queries.
 *
 * Differs from the authors' code in that every image has windows of its own, whatever it shares a batch with, and that
 * windows reach the last row and column, as in the paper; the queries include the first one.
 *
 * @example square({ norm: 'l2', queries: 1000 })
 */
export function square({ norm = 'linf', queries = 5000, share = 0.8, schedule = queries }: SquareOptions = {}): Square {
  checkCounts('Square', { queries, schedule }, 1);
  checkShares('Square', { share });
  return { name: 'square', norm, queries, share, schedule };
}

/** How far each image of a task has come. */
interface Standing {
  readonly x: Tensor;
  readonly value: Float32Array;
  readonly success: Float32Array;
  readonly randoms: readonly Random[];
}

export const searchSquare: Search<Square> = async (task, attack): Promise<Found> => {
  if (imageShape(task.classifier) === undefined)
    throw new UsageError(`'${task.classifier.description.name}' takes no images [C, H, W], which Square needs`);
  if (task.epsilon === undefined) throw new TypeError('an attack inside a ball needs the radius');
  const standing = start(task, attack);
  let forwards = 0;
  for (const round of rounds(attack.queries)) {
    const open = Uint32Array.from(standing.success.keys()).filter((i) => standing.success[i] === 0);
    if (open.length === 0) break;
    forwards += await advance(task, attack, standing, open, round);
    task.onProgress?.({ stage: 'Square', done: round.end, total: attack.queries, detail: `${open.length} open` });
  }
  return { adversarial: standing.x, zeroGradients: 0, forwards, gradients: 0 };
};

/** After each round, the images that are left move together; most images break early. */
function* rounds(queries: number): Generator<{ start: number; end: number }> {
  let start = 0;
  while (start < queries) {
    const end = Math.min(queries, start + Math.min(500, Math.max(1, Math.ceil(start / 2))));
    yield { start, end };
    start = end;
  }
}

function start(task: Task, { norm }: Square): Standing {
  const { images, labels, epsilon, seed, restart, imageNumbers, classifier } = task;
  const shape = imageShape(classifier)!;
  const x = { shape: images.shape, data: images.data.slice() };
  const randoms = Array.from(labels, (_, i) => createRandom(seed, 'square', imageNumbers[i]!, restart));
  const delta = new Float32Array(sizeOf(shape));
  for (const [i, random] of randoms.entries()) {
    const pixels = rows(x, i, i + 1).data;
    fillStart(delta, norm, epsilon![i]!, shape, random);
    for (let p = 0; p < delta.length; p++) pixels[p] = Math.min(1, Math.max(0, pixels[p]! + delta[p]!));
  }
  const success = new Float32Array(labels.length);
  return { x, value: new Float32Array(labels.length).fill(-3e38), success, randoms };
}

/** Takes the open images through a round of queries and returns how many were spent. */
async function advance(
  task: Task,
  attack: Square,
  standing: Standing,
  open: Uint32Array,
  round: { start: number; end: number },
): Promise<number> {
  const { classifier } = task;
  const part = onlyImages(task, open);
  const { batch, chunks: list } = chunks(open.length, task.batchSize, classifier.description);
  const program = await compile(part, attack, batch);
  let spent = 0;
  for (const chunk of list) {
    const members = open.subarray(chunk.start, chunk.end);
    const randoms = Array.from(members, (i) => standing.randoms[i]!);
    const origin = await classifier.runtime.upload(feed(padRows(part.images, chunk, batch)));
    const state = await iterate(program, {
      state: {
        x: feed(gather(standing.x, members, batch)),
        value: feed(gather({ shape: [standing.value.length], data: standing.value }, members, batch)),
        success: feed({ shape: [batch], data: new Float32Array(batch) }),
      },
      constants: {
        origin,
        target: goalClasses(part, chunk, batch),
        epsilon: feed(padRows({ shape: [open.length], data: Float32Array.from(part.epsilon!) }, chunk, batch)),
      },
      steps: round.end - round.start,
      signal: task.signal,
      feeds: (k) => windowsAt(round.start + k, task, attack, batch, randoms),
      fetch: () => ['broken', 'queried'],
      onStep: (_, fetched) => {
        const used = members.length;
        spent += floats(fetched.queried!)
          .subarray(0, used)
          .filter((asked) => asked > 0).length;
        return floats(fetched.broken!)
          .subarray(0, used)
          .every((broken) => broken > 0)
          ? 'stop'
          : undefined;
      },
    }).finally(() => origin.release());
    try {
      await keep(state, standing, members);
    } finally {
      releaseAll(state);
    }
  }
  return spent;
}

/** The first query judges the start: its windows are empty. */
function windowsAt(query: number, { classifier }: Task, attack: Square, batch: number, randoms: readonly Random[]) {
  const shape = imageShape(classifier)!;
  const side = query === 0 ? 0 : windowSide(attack.norm, query - 1, attack, shape);
  return drawWindows(attack.norm, side, shape, { batch, randoms });
}

/** Rows of a tensor, the last one repeated up to `batch`. */
function gather(tensor: Tensor, members: Uint32Array, batch: number): Tensor {
  return padRows(takeRows(tensor, members), { start: 0, end: members.length }, batch);
}

async function keep(
  state: Readonly<Record<string, HostTensor | ResidentTensor>>,
  standing: Standing,
  members: Uint32Array,
): Promise<void> {
  const read = async (name: string) => {
    const tensor = state[name]!;
    return floats('resident' in tensor ? await tensor.read() : tensor);
  };
  const [x, value, success] = [await read('x'), await read('value'), await read('success')];
  putRows(standing.x, { shape: state.x!.shape, data: x }, members);
  for (const [k, i] of members.entries()) {
    standing.value[i] = value[k]!;
    standing.success[i] = success[k]!;
  }
}

/** x → x_next: the proposal, if it scores better or breaks the image, which then stays as it is. */
function compile(task: Task, { norm }: Square, batch: number): Promise<ClassifierProgram> {
  const { classifier } = task;
  const goal = goalOf(task);
  return classifier.program(`square ${norm} ${goal}`, batch, ({ g, model }) => {
    const x = g.input('x', 'float32', [batch, ...classifier.inputShape]);
    const value = g.input('value', 'float32', [batch]);
    const success = g.input('success', 'float32', [batch]);
    const origin = g.input('origin', 'float32', x.shape);
    const target = g.input('target', 'float32', [batch, classifier.classes.length]);
    const epsilon = g.input('epsilon', 'float32', [batch]);

    const proposal = writeProposal(g, norm, { x, origin, epsilon });
    const unjudged = g.reshape(g.less(value, g.constant(-1e38)), [batch, 1, 1, 1]);
    const candidate = g.where(unjudged, x, proposal);
    const { logits } = model(candidate);
    const score = writeScore(g, logits, target, goal);
    const met = writeMet(g, logits, target, goal);
    const open = g.sub(g.constant(1), success);
    const better = g.max(g.cast(g.greater(score, value), 'float32'), met);
    const accepted = g.greater(g.mul(open, better), g.constant(0.5));
    g.output(g.where(g.reshape(accepted, [batch, 1, 1, 1]), candidate, x), 'x_next');
    g.output(g.where(accepted, score, value), 'value_next');
    const broken = g.max(success, met);
    g.output(broken, 'success_next');
    g.output(broken, 'broken');
    g.output(open, 'queried');
  });
}
