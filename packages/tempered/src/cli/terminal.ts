/** @file What the commands share with the terminal: progress, interruption, errors and exit codes. */
import { ModelError, ShapeError, UnsupportedOpError } from 'onnx-grad';
import { DataError, DeviceError, fileReason, TrainingError, UsageError } from '../errors.ts';
import type { Progress } from '../progress.ts';
import { duration } from '../report/format.ts';

/** Wrong use or input: the message is for the user, without a stack trace, and the exit code is 2. */
const USER_ERRORS = [UsageError, DataError, ModelError, ShapeError, UnsupportedOpError];

/** What is left of an error for the terminal, and the exit code. */
export function explainError(error: unknown): { message: string; code: number } {
  if (USER_ERRORS.some((kind) => error instanceof kind)) return { message: (error as Error).message, code: 2 };
  if (error instanceof DeviceError || error instanceof TrainingError) return { message: error.message, code: 1 };
  if (isFileError(error)) {
    return { message: `${error.path ?? 'a file'} cannot be read or written: ${fileReason(error)}`, code: 2 };
  }
  if (error instanceof Error && error.name === 'AbortError') return { message: 'Interrupted.', code: 130 };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), code: 1 };
}

/** Node leaves out the path where a folder was opened like a file. */
function isFileError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return 'path' in error || error.code === 'EISDIR';
}

export interface Terminal {
  /** Aborts at Ctrl-C; a second Ctrl-C ends the process at once. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Writes a line to standard output, past the progress bar. */
  print(line: string): void;
}

const BAR = 24;
const SHORT_BAR = 8;
const REDRAW_MS = 100;
const LASTING_MS = 3000;

/** Runs a command's work: shows its progress on standard error, stops it at Ctrl-C, and turns errors into one line and an exit code. */
export async function runCommand(work: (terminal: Terminal) => Promise<void>): Promise<void> {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort(new DOMException('Interrupted.', 'AbortError'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const bar = progressBar();
  try {
    await work({
      signal: interrupt.signal,
      onProgress: bar.update,
      print: (line) => {
        bar.clear();
        process.stdout.write(`${line}\n`);
      },
    });
    bar.clear();
  } catch (error) {
    bar.clear();
    const { message, code } = explainError(error);
    process.stderr.write(`${code === 2 ? 'error: ' : ''}${message}\n`);
    process.exitCode = code;
  } finally {
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  }
}

/**
 * A line that is redrawn on a terminal. Elsewhere, one line for each stage that lasts, so that logs stay short and an
 * error that is found early stands alone.
 */
function progressBar(): { update: (progress: Progress) => void; clear: () => void } {
  const stream = process.stderr;
  let stage = '';
  let started = 0;
  let before = 0;
  let drawn = 0;
  let logged = false;
  const clear = () => {
    if (stream.isTTY && drawn > 0) stream.write('\r\u001b[K');
    drawn = 0;
  };
  const update = ({ stage: now, done, total, detail }: Progress) => {
    const time = performance.now();
    if (now !== stage) {
      stage = now;
      started = time;
      before = done;
      logged = false;
    }
    if (!stream.isTTY && !logged && time - started >= LASTING_MS) {
      stream.write(`${now}\n`);
      logged = true;
    }
    if (!stream.isTTY || (time - drawn < REDRAW_MS && done < total)) return;
    drawn = time;
    const seconds = (time - started) / 1000;
    // What was done before this stage began took other time.
    const perSecond = done > before && seconds > 0 ? (done - before) / seconds : 0;
    const left = perSecond > 0 && done < total ? `, ${duration((total - done) / perSecond)} left` : '';
    const rate = perSecond > 0 ? `, ${perSecond.toPrecision(3)}/s` : '';
    const text = ` ${now} ${done}/${total}${rate}${left}${detail ? `  ${detail}` : ''}`;
    const columns = (stream.columns ?? 80) - 1;
    // The bar gives way to figures.
    const width = Math.min(BAR, Math.max(SHORT_BAR, columns - text.length));
    const filled = Math.round((width * done) / Math.max(1, total));
    const line = `${'━'.repeat(filled)}${'─'.repeat(width - filled)}${text}`;
    stream.write(`\r\u001b[K${line.slice(0, columns)}`);
  };
  return { update, clear };
}
