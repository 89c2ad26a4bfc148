/**
 * Damaged files never crash, hang or exhaust memory: mutants of small models go through parse, specialize and
 * differentiate, and end in a gradient or in one of the package's errors. `FUZZ=10000` sets how many, `FUZZ_SEED` where
 * to start: a mutant is a function of its number alone.
 */
import { expect, test } from 'vitest';
import { differentiate } from './differentiate.ts';
import { ModelError, ShapeError, UnsupportedOpError } from './errors.ts';
import { parseModel } from './parse.ts';
import { specialize } from './specialize.ts';
import { seeds } from './testing/fuzz-models.ts';
import { mutate } from './testing/mutate.ts';
import { mutateGraph } from './testing/mutate-graph.ts';
import { writeModel } from './write.ts';

const COUNT = Number(process.env.FUZZ ?? 1000);
const FIRST = Number(process.env.FUZZ_SEED ?? 1);
const MAX_MILLISECONDS = 1000;
const MAX_BYTES = 500e6;

/** Message and the innermost two places, enough to find the mistake. */
const describeError = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' ') : String(error);

/** Runs one mutant; returns how far it came, or what went wrong that must not. */
function outcome(bytes: Uint8Array): string {
  let stage = 'parse';
  try {
    const graph = parseModel(bytes);
    stage = 'specialize';
    const shapes = Object.fromEntries(
      graph.inputs
        .filter(({ name }) => !graph.initializers.has(name))
        .map(({ name, shape }) => [name, (shape ?? []).map((d) => (typeof d === 'number' ? d : 2))]),
    );
    const special = specialize(graph, shapes, { parameters: 'all' });
    stage = 'differentiate';
    const gradients = differentiate(special, { wrt: 'all' });
    stage = 'write';
    writeModel(gradients);
    return 'done';
  } catch (error) {
    if (error instanceof ModelError || error instanceof ShapeError || error instanceof UnsupportedOpError) {
      if (error.cause instanceof TypeError) return `BUG in ${stage}: ${describeError(error.cause)}`;
      return `${stage}: ${error.name}`;
    }
    return `BUG in ${stage}: ${describeError(error)}`;
  }
}

test(`${COUNT} mutants from ${FIRST} on`, { timeout: 600_000 }, () => {
  const models = seeds();
  for (const { name, bytes } of models) expect(outcome(bytes), name).toBe('done');
  const tally: Record<string, number> = {};
  const failures: string[] = [];
  let slowest = 0;
  let largest = 0;
  for (let number = FIRST; number < FIRST + COUNT; number += 1) {
    const { name, bytes } = models[(number >> 1) % models.length]!;
    // Odd ones are damaged as bytes, even ones as graphs: most of the former end in the parser.
    const mutant = number % 2 === 1 ? mutate(bytes, number) : writeModel(mutateGraph(parseModel(bytes), number));
    const memory = process.memoryUsage();
    // Time of the processor, not of the clock: other work on the machine must not fail the test.
    const start = process.cpuUsage();
    const result = outcome(mutant);
    const { user, system } = process.cpuUsage(start);
    const elapsed = (user + system) / 1000;
    const after = process.memoryUsage();
    const taken = after.heapUsed + after.arrayBuffers - memory.heapUsed - memory.arrayBuffers;
    slowest = Math.max(slowest, elapsed);
    largest = Math.max(largest, taken);
    if (result.startsWith('BUG')) failures.push(`mutant ${number} of ${name}: ${result}`);
    else tally[result] = (tally[result] ?? 0) + 1;
    if (elapsed > MAX_MILLISECONDS) failures.push(`mutant ${number} of ${name}: ${Math.round(elapsed)} ms (${result})`);
    if (taken > MAX_BYTES) failures.push(`mutant ${number} of ${name}: ${Math.round(taken / 1e6)} MB (${result})`);
  }
  if (process.env.VERBOSE)
    console.log(tally, `slowest ${Math.round(slowest)} ms, largest ${Math.round(largest / 1e6)} MB`);
  expect(failures).toEqual([]);
  expect(Object.keys(tally).length).toBeGreaterThan(2);
});
