import { DeviceError } from '../errors.ts';
import type { Work } from '../progress.ts';
import { operatorCases } from './operator-cases/index.ts';
import { buildCase, type OperatorCase } from './operator-cases/operator-case.ts';
import type { DeviceName, HostTensor, Runtime } from './runtime.ts';

export interface SelfTestOptions extends Work {
  /** The engine that is right by definition: the CPU. */
  reference: Runtime;
  /** The engine under test. */
  candidate: Runtime;
  /** The same engine, opened with `cpuFallback: false`: tells which operators the device itself runs. */
  strictCandidate?: Runtime;
  /** Default: every operator of the gradient library. */
  cases?: readonly OperatorCase[];
  /** Largest relative error that counts as right. Default 1e-4. */
  tolerance?: number;
}

export interface SelfTestRow {
  readonly operator: string;
  readonly case: string;
  /** The device under test. */
  readonly candidate: DeviceName;
  /** What ran it: the candidate's device, or 'cpu' where the device left it to the CPU. */
  readonly provider: DeviceName;
  /** max |candidate − reference| / max |reference| over all outputs; Infinity when shapes, types or NaNs differ. */
  readonly maxRelativeError: number;
  /** 'wrong': ran, with a wrong result. 'error': refused. */
  readonly verdict: 'ok' | 'wrong' | 'error';
  /** Why, when the verdict is not 'ok'; else empty. */
  readonly message: string;
}

/**
 * Compares an engine with the CPU, one operator at a time.
 *
 * @example
 * const rows = await selfTest({ reference: cpu, candidate: webgpu });
 * const wrong = rows.filter((row) => row.verdict === 'wrong');
 */
export async function selfTest(options: SelfTestOptions): Promise<SelfTestRow[]> {
  const { cases = operatorCases, signal, onProgress } = options;
  const rows: SelfTestRow[] = [];
  for (const operatorCase of cases) {
    signal?.throwIfAborted();
    rows.push(await compare(operatorCase, options));
    onProgress?.({
      stage: `compare ${options.candidate.device} with ${options.reference.device}`,
      done: rows.length,
      total: cases.length,
    });
  }
  return rows;
}

async function compare(operatorCase: OperatorCase, options: SelfTestOptions): Promise<SelfTestRow> {
  const { reference, candidate, strictCandidate } = options;
  const { operator, name, tolerance = options.tolerance ?? 1e-4 } = operatorCase;
  const { model, feeds } = buildCase(operatorCase);
  const label = `${operator}, ${name}`;
  let provider = candidate.device;
  try {
    const expected = await runOnce(reference, model, feeds, label);
    if (strictCandidate !== undefined && !(await compiles(strictCandidate, model))) provider = 'cpu';
    const found = await runOnce(candidate, model, feeds, label);
    const { error, message } = difference(found, expected);
    const wrong = !(error <= tolerance);
    return {
      operator,
      case: name,
      candidate: candidate.device,
      provider,
      maxRelativeError: error,
      verdict: wrong ? 'wrong' : 'ok',
      message: wrong ? message || `relative error ${error.toExponential(1)}` : '',
    };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return {
      operator,
      case: name,
      candidate: candidate.device,
      provider,
      maxRelativeError: Number.NaN,
      verdict: 'error',
      message: error.message,
    };
  }
}

type Outputs = Readonly<Record<string, HostTensor>>;

async function runOnce(
  runtime: Runtime,
  model: Uint8Array,
  feeds: Record<string, HostTensor>,
  label: string,
): Promise<Outputs> {
  const program = await runtime.compile(model, { label });
  try {
    return (await program.run(feeds)).fetched;
  } finally {
    program.release();
  }
}

async function compiles(runtime: Runtime, model: Uint8Array): Promise<boolean> {
  try {
    (await runtime.compile(model)).release();
    return true;
  } catch (error) {
    if (error instanceof DeviceError) return false;
    throw error;
  }
}

/** Differences beyond rounding; `message` names what cannot be put as a number. */
export function difference(found: Outputs, expected: Outputs): { error: number; message: string } {
  let worst = 0;
  for (const [name, want] of Object.entries(expected)) {
    const have = found[name];
    if (have === undefined) return { error: Infinity, message: `output ${name} is missing` };
    if (have.dtype !== want.dtype) return { error: Infinity, message: `type ${have.dtype}, expected ${want.dtype}` };
    if (have.shape.join() !== want.shape.join()) {
      return { error: Infinity, message: `shape [${have.shape}], expected [${want.shape}]` };
    }
    const error = relativeError(have, want);
    if (error === Infinity) return { error, message: 'different infinities or NaNs' };
    worst = Math.max(worst, error);
  }
  return { error: worst, message: '' };
}

function relativeError(found: HostTensor, expected: HostTensor): number {
  let largest = 0;
  let deviation = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const want = Number(expected.data[i]);
    const have = Number(found.data[i]);
    if (Number.isFinite(want) && Number.isFinite(have)) {
      largest = Math.max(largest, Math.abs(want));
      deviation = Math.max(deviation, Math.abs(have - want));
    } else if (!Object.is(want, have)) return Infinity;
  }
  return deviation === 0 ? 0 : deviation / Math.max(largest, 1e-30);
}

export interface OperatorSupport {
  readonly operator: string;
  /** 'wrong' and 'no' (an error) when any case is; 'falls back to CPU' when the device runs no case itself. */
  readonly support: 'yes' | 'falls back to CPU' | 'wrong' | 'no';
  /** The cases behind a 'wrong' or 'no', and those that fall back where others do not. */
  readonly exceptions: readonly string[];
  readonly cases: number;
  /** Over all cases that ran. */
  readonly maxRelativeError: number;
}

/** Sums the rows up by operator, in alphabetical order. */
export function supportTable(rows: readonly SelfTestRow[]): OperatorSupport[] {
  const operators = [...new Set(rows.map((row) => row.operator))].sort();
  return operators.map((operator) => {
    const own = rows.filter((row) => row.operator === operator);
    const bad = own.filter((row) => row.verdict === 'wrong');
    const refused = own.filter((row) => row.verdict === 'error');
    const left = own.filter((row) => row.provider === 'cpu' && row.candidate !== 'cpu');
    const support =
      bad.length > 0 ? 'wrong' : refused.length > 0 ? 'no' : left.length === own.length ? 'falls back to CPU' : 'yes';
    const behind = { wrong: bad, no: refused, yes: left, 'falls back to CPU': [] }[support];
    return {
      operator,
      support,
      exceptions: behind.map((row) => row.case),
      cases: own.length,
      maxRelativeError: Math.max(0, ...own.map((row) => row.maxRelativeError).filter((error) => !Number.isNaN(error))),
    };
  });
}
