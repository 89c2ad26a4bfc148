/** @file A compiled step run again and again, its state staying with the engine. */
import type { ClassifierProgram } from '../models/classifier.ts';
import type { HostTensor, ResidentTensor } from '../runtime/runtime.ts';

type Feed = HostTensor | ResidentTensor;

export interface IterateOptions {
  /** What changes from step to step: the program reads `name` and writes `name_next`. Taken over: released on the way. */
  state: Readonly<Record<string, Feed>>;
  /** What stays the same; it remains the caller's. */
  constants?: Readonly<Record<string, Feed>>;
  steps: number;
  /** Small tensors that a step reads beside the state. */
  feeds?: (step: number) => Readonly<Record<string, HostTensor>>;
  /** Outputs that a step brings back. */
  fetch?: (step: number) => readonly string[];
  /** Called after each step with what it brought back and the state that it read; `'stop'` ends the iteration. */
  onStep?: (
    step: number,
    fetched: Readonly<Record<string, HostTensor>>,
    before: Readonly<Record<string, Feed>>,
  ) => Answer;
  signal?: AbortSignal;
}

type Answer = 'stop' | undefined | Promise<'stop' | undefined>;

/**
 * Runs a program `steps` times and returns the last state, which the caller releases (`releaseAll`).
 *
 * @example
 * const { x } = await iterate(program, { state: { x: start }, constants: { origin }, steps: 20 });
 */
export async function iterate(program: ClassifierProgram, options: IterateOptions): Promise<Record<string, Feed>> {
  const { constants, steps, feeds, fetch, onStep, signal } = options;
  const names = Object.keys(options.state);
  let state: Record<string, Feed> = { ...options.state };
  try {
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      const { fetched, kept } = await program.run(
        { ...constants, ...feeds?.(step), ...state },
        { fetch: fetch?.(step) ?? [], keep: names.map((name) => `${name}_next`) },
      );
      const before = state;
      state = Object.fromEntries(names.map((name) => [name, kept[`${name}_next`]!]));
      try {
        if ((await onStep?.(step, fetched, before)) === 'stop') break;
      } finally {
        releaseAll(before);
      }
    }
  } catch (error) {
    releaseAll(state);
    throw error;
  }
  return state;
}

/** Frees those tensors that the engine holds. */
export function releaseAll(tensors: Readonly<Record<string, Feed>>): void {
  for (const tensor of Object.values(tensors)) if ('resident' in tensor) tensor.release();
}
