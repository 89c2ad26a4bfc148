/**
 * @file Pixels that were taken away, put back as the weighted mean of their neighbours: the noisy linear imputation of
 * Rong et al. 2022 (ROAD), §4.2. The linear system of each image is solved by conjugate gradients in a graph.
 */
import { decompose, emptyGraph, GraphBuilder, type Value, writeModel } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { feed, floats, padRows } from '../../models/batching.ts';
import type { Program, ResidentTensor, Runtime } from '../../runtime/runtime.ts';
import { rows, type Tensor, zeros } from '../../tensor.ts';

/** Weights of the eight neighbours: 1/6 beside and above, 1/12 across. */
const NEIGHBOURS = [1 / 12, 1 / 6, 1 / 12, 1 / 6, 0, 1 / 6, 1 / 12, 1 / 6, 1 / 12];

/** Iterations in one run of the program. */
const UNROLLED = 16;

/** A plane counts as solved when its residual has fallen to this share: its error is then below that of rounding to 8 bits. */
const TOLERANCE = 1e-5;

/** The two programs of one batch size, for as long as they are needed. */
export interface Imputer {
  /**
   * Images whose removed pixels are the weighted mean of their neighbours, removed ones among them; at the border, of those
   * that there are. Without the noise.
   *
   * @param images [N, C, H, W]
   * @param removed [N, 1, H, W] of 0 and 1
   * @throws UsageError for an image of which nothing is left
   */
  impute(images: Tensor, removed: Tensor, signal?: AbortSignal): Promise<Tensor>;
  release(): void;
}

/**
 * Compiles linear imputation for images of a shape; release it after use.
 *
 * @param shape [C, H, W]
 * @param batch images in one run
 */
export async function linearImputer(runtime: Runtime, shape: readonly number[], batch: number): Promise<Imputer> {
  const compile = (write: (g: GraphBuilder) => void, label: string) => {
    const g = new GraphBuilder(emptyGraph(label));
    write(g);
    return runtime.compile(writeModel(decompose(g.graph)), { label });
  };
  const begin = await compile((g) => writeStart(g, batch, shape), 'imputation, start');
  const go = await compile((g) => writeIterations(g, batch, shape), 'imputation').catch((error) => {
    begin.release();
    throw error;
  });
  const programs = { begin, go };
  return {
    async impute(images, removed, signal) {
      checkSomethingLeft(removed);
      const count = images.shape[0]!;
      const result = zeros(images.shape);
      const size = images.data.length / count;
      for (let start = 0; start < count; start += batch) {
        const end = Math.min(start + batch, count);
        const [x, m] = [images, removed].map((tensor) => padRows(tensor, { start, end }, batch)) as [Tensor, Tensor];
        const solved = await solve(programs, x, m, signal);
        result.data.set(solved.subarray(0, (end - start) * size), start * size);
      }
      return result;
    },
    release() {
      begin.release();
      go.release();
    },
  };
}

function checkSomethingLeft(removed: Tensor): void {
  const count = removed.shape[0]!;
  for (let i = 0; i < count; i++)
    if (rows(removed, i, i + 1).data.every((one) => one === 1))
      throw new UsageError(`nothing is left of image ${i} to impute its pixels from`);
}

async function solve(
  { begin, go }: { readonly begin: Program; readonly go: Program },
  images: Tensor,
  removed: Tensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const fixed = { removed: feed(removed) };
  const names = Object.keys(STATE);
  let { kept: state, fetched } = await begin.run({ ...fixed, images: feed(images) }, { fetch: ['left'], keep: names });
  try {
    // Conjugate gradients end after as many iterations as there are unknowns; rounding may keep the last digits away.
    const most = images.shape.slice(2).reduce((a, b) => a * b, 1);
    for (let done = 0; floats(fetched.left!)[0]! > 0 && done < most; done += UNROLLED) {
      signal?.throwIfAborted();
      const next = await go.run({ ...fixed, ...state }, { fetch: ['left'], keep: names.map((name) => `${name}_next`) });
      release(state);
      state = Object.fromEntries(names.map((name) => [name, next.kept[`${name}_next`]!]));
      fetched = next.fetched;
    }
    return floats(await state.solution!.read());
  } finally {
    release(state);
  }
}

const release = (state: Readonly<Record<string, ResidentTensor>>) => {
  for (const tensor of Object.values(state)) tensor.release();
};

/** What goes from iteration to iteration, and whether it is a number a plane or a plane. */
const STATE = { solution: 'plane', residual: 'plane', direction: 'plane', squares: 'number', limit: 'number' } as const;

type State = Record<keyof typeof STATE, Value>;

/** Weighted sum of the eight neighbours, of those that are there. */
function neighbours(g: GraphBuilder, x: Value): Value {
  const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
  const planes = g.reshape(x, [batch * channels, 1, height, width]);
  const weights = g.constant(NEIGHBOURS, [1, 1, 3, 3]);
  return g.reshape(g.op('Conv', [planes, weights], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }), x.shape);
}

const dot = (g: GraphBuilder, a: Value, b: Value): Value => g.reduceSum(g.mul(a, b), [2, 3], true);

/** Above 0 while a plane is not solved. */
const left = (g: GraphBuilder, { squares, limit }: Pick<State, 'squares' | 'limit'>): Value =>
  g.reshape(g.reduceMax(g.sub(squares, limit), [0, 1, 2, 3]), [1]);

function writeStart(g: GraphBuilder, batch: number, shape: readonly number[]): void {
  const images = g.input('images', 'float32', [batch, ...shape]);
  const removed = g.input('removed', 'float32', [batch, 1, ...shape.slice(1)]);
  const known = g.mul(images, g.sub(g.constant(1), removed));
  const residual = g.mul(removed, neighbours(g, known));
  const squares = dot(g, residual, residual);
  const limit = g.scale(squares, TOLERANCE ** 2);
  const state = { solution: known, residual, direction: residual, squares, limit };
  for (const [name, value] of Object.entries(state)) g.output(value, name);
  g.output(left(g, state), 'left');
}

function writeIterations(g: GraphBuilder, batch: number, shape: readonly number[]): void {
  const inputShape = { plane: [batch, ...shape], number: [batch, shape[0]!, 1, 1] };
  const input = (name: keyof typeof STATE) => g.input(name, 'float32', inputShape[STATE[name]]);
  const removed = g.input('removed', 'float32', [batch, 1, ...shape.slice(1)]);
  const weight = neighbours(g, g.constant(1, [1, 1, ...shape.slice(1)]));
  const limit = input('limit');
  let state: State = {
    solution: input('solution'),
    residual: input('residual'),
    direction: input('direction'),
    squares: input('squares'),
    limit,
  };
  for (let k = 0; k < UNROLLED; k++) state = iterate(g, state, removed, weight);
  for (const [name, value] of Object.entries(state)) g.output(value, `${name}_next`);
  g.output(left(g, state), 'left');
}

/** One iteration; a plane that is solved stays as it is, so that no image depends on those beside it. */
function iterate(g: GraphBuilder, state: State, removed: Value, weight: Value): State {
  const { solution, residual, direction, squares, limit } = state;
  const product = g.mul(removed, g.sub(g.mul(weight, direction), neighbours(g, direction)));
  const open = g.greater(squares, limit);
  const ratio = (a: Value, b: Value) => g.where(open, g.div(a, b), g.constant(0));
  const length = ratio(squares, dot(g, direction, product));
  const nextResidual = g.sub(residual, g.mul(length, product));
  const nextSquares = dot(g, nextResidual, nextResidual);
  return {
    solution: g.add(solution, g.mul(length, direction)),
    residual: nextResidual,
    direction: g.add(nextResidual, g.mul(ratio(nextSquares, squares), direction)),
    squares: nextSquares,
    limit,
  };
}
