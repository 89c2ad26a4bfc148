/** @file Option values, and the options that every command has. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ReadModelOptions } from '../models/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { list } from '../report/format.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** A number, or a fraction such as 8/255. */
export function fraction(text: string): number {
  const match = /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)(?:\s*\/\s*([\d.]+))?\s*$/i.exec(text);
  const value = match ? Number(match[1]) / Number(match[2] ?? 1) : Number.NaN;
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`'${text}' is not a number or a fraction such as 8/255.`);
  return value;
}

export function nonNegative(text: string): number {
  const value = fraction(text);
  if (value < 0) throw new InvalidArgumentError(`It must be 0 or more, not ${text}.`);
  return value;
}

/** Radii in pixel units: 0,0.1,8/255. */
export function epsilonList(text: string): number[] {
  return text.split(',').map((part) => {
    const value = fraction(part);
    if (value < 0) throw new InvalidArgumentError(`Every ε must be 0 or more, not ${part.trim()}.`);
    return value;
  });
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError(`'${text}' is not a whole number, 0 or more.`);
  return value;
}

export function positiveInteger(text: string): number {
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError('It must be 1 or more.');
  return value;
}

export const numberList = (text: string): number[] => text.split(',').map(fraction);

export const nameList = (text: string): string[] => text.split(',').map((name) => name.trim());

/** 1x3x224x224 */
export function shape(text: string): number[] {
  if (!/^[1-9]\d*(x[1-9]\d*)*$/.test(text)) {
    throw new InvalidArgumentError(`'${text}' is not a shape such as 1x3x224x224.`);
  }
  return text.split('x').map(Number);
}

export interface CommonOptions {
  json?: string | boolean;
  seed: number;
  device: 'cpu' | 'webgpu';
  threads?: number;
}

/** Headings under which help only lists options, since `tempered --help` explains them once for all commands. */
export const COMMON_OPTIONS = 'Common options:';
export const MORE_OPTIONS = 'More options:';
export const MODEL_OPTIONS = 'Model options:';
export const ATTACK_OPTIONS = 'Attack options (see tempered attacks):';

/** `--json`, `--seed`, `--device`, `--threads`. */
export function withCommonOptions(command: Command): Command {
  return command
    .optionsGroup(COMMON_OPTIONS)
    .helpOption('-h, --help', 'explain the command')
    .option('--json [FILE]', 'result as JSON, to FILE or to standard output')
    .option('--seed <N>', 'seed of everything random', wholeNumber, 0)
    .addOption(new Option('--device <NAME>', 'engine to run on').choices(['cpu', 'webgpu']).default('cpu'))
    .option('--threads <N>', 'threads of the CPU engine (default: all)', positiveInteger);
}

export interface ModelOptions {
  mean?: number[];
  std?: number[];
  inputShape?: number[];
  modelOutput?: string;
}

/** What a model file may leave open: preprocessing, image size, which output. */
export function withModelOptions(command: Command): Command {
  return command
    .optionsGroup(MODEL_OPTIONS)
    .option('--mean <LIST>', 'mean of the preprocessing by channel, in [0, 1] units', numberList)
    .option('--std <LIST>', 'standard deviation of the preprocessing by channel', numberList)
    .option('--input-shape <CxHxW>', 'size of one input, where the model leaves it open', shape)
    .option('--model-output <NAME>', 'output to take as logits (default: the first)');
}

/** What of these options reading a model file takes. */
export function readingOptions({ mean, std, inputShape, modelOutput }: ModelOptions): ReadModelOptions {
  return { mean, std, inputShape, output: modelOutput };
}

export const normOption = (): Option =>
  new Option('--norm <NAME>', 'norm of the perturbation')
    .choices(['linf', 'l2', 'l1'] satisfies Norm[])
    .default('linf');

/** What an option is called on the command line: `stepSize` → --step-size. */
const flagOf = (command: Command, name: string): string =>
  command.options.find((option) => option.attributeName() === name)?.long ?? name;

const given = (command: Command, names: readonly string[]): string =>
  list(names.filter((name) => command.getOptionValueSource(name) === 'cli').map((name) => flagOf(command, name)));

/**
 * Says on standard error which of these options were given without having an effect: nobody should believe in them,
 * and a script that passes the same options to every method should not fail.
 *
 * @param names of options, as in `stepSize`
 * @param why "with --attack fgsm"
 */
export function noteIgnored(command: Command, names: readonly string[], why = 'here'): void {
  const flags = given(command, names);
  if (flags !== '') process.stderr.write(`note: ${flags} ${flags.includes(' ') ? 'have' : 'has'} no effect ${why}\n`);
}

const NAMED_DATA = ['shapes', 'mnist', 'fashion-mnist', 'cifar10', 'cifar100'];

/** Only pictures of one's own have a size to choose. */
export function noteSizeOf(command: Command, data: string): void {
  if (NAMED_DATA.includes(data)) noteIgnored(command, ['size'], `on ${data}, whose images have a size of their own`);
}

/** Opens the engine, gives it to `work` and closes it again. */
export async function withRuntime<T>(
  { device, threads }: CommonOptions,
  work: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const runtime = await createNodeRuntime({ device, threads });
  try {
    return await work(runtime);
  } finally {
    await runtime.close();
  }
}
