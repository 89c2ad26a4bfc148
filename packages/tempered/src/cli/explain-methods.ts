/** @file Methods of attribution on the command line: `--method gradient,ig:steps=20`, with options that hold for all of them. */
import type { Command } from 'commander';
import type { AttributionMethod } from '../attribution/attribute.ts';
import { type MethodEntry, methodCatalogue, methodsFrom } from '../attribution/catalogue.ts';
import { type Found, findAll, kebabCase } from '../attribution/settings.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { readTensor } from './input.ts';
import { MORE_OPTIONS, nonNegative, noteIgnored, positiveInteger } from './options.ts';

/** The values of `withMethodOptions`. */
export interface MethodOptions {
  method: string;
  of: string;
  layer?: string;
  steps?: number;
  samples?: number;
  sigma?: number;
  baseline?: string;
  background?: string;
}

export interface ChosenMethod {
  /** As it was written: tells two of the same name apart. */
  readonly text: string;
  readonly name: string;
  readonly method: AttributionMethod;
  /** Of its attributions: "logit". */
  readonly unit: string;
}

/** Options that every method takes which has a setting of the same name. */
const SHARED = ['steps', 'samples', 'sigma', 'baseline'] as const;

/** Methods that compare with a set of images. */
const WITH_BACKGROUND = ['expected-gradients', 'gradient-shap', 'deep-shap'];

/** Settings for every method that has them and does not set them itself. */
export function withMethodOptions(command: Command): Command {
  return command
    .optionsGroup(MORE_OPTIONS)
    .option('--steps <M>', 'points on the path', positiveInteger)
    .option('--baseline <B>', 'black, white, mean ... or a .npy file')
    .option('--samples <N>', 'random copies, masks or coalitions', positiveInteger)
    .option('--sigma <S>', "noise, as a share of the input's range", nonNegative)
    .option('--background <N>', 'images of --data to compare with, or a .npy file of them (default: 50)');
}

/** The methods asked for, once it is known what they compare with. */
export type MakeMethods = (background: Tensor | undefined) => ChosenMethod[];

/**
 * The methods asked for; notes on standard error what has no effect on any.
 *
 * @throws UsageError for a name, setting or value that there is not
 */
export async function methodsFor(command: Command, options: MethodOptions): Promise<MakeMethods> {
  const found = findAll(methodCatalogue, 'method', options.method);
  if (found.length === 0) throw new UsageError('--method names no method');
  const repeated = found.find(({ text }, i) => found.findIndex((each) => each.text === text) !== i);
  if (repeated !== undefined) throw new UsageError(`--method names ${repeated.text} twice`);
  const names = [...new Set(found.map(({ name }) => name))];
  const unused = SHARED.filter((name) => !found.some(({ entry }) => Object.hasOwn(entry.settings, name)));
  const run = [...names, ...found.flatMap((each) => smoothedBy(each)?.name ?? [])];
  const isAlone = !run.some((name) => WITH_BACKGROUND.includes(name));
  noteIgnored(command, isAlone ? [...unused, 'background'] : unused, `with --method ${names.join(',')}`);
  const file = options.baseline?.toLowerCase().endsWith('.npy') ? await readTensor(options.baseline) : undefined;
  const specs = found.map((each) => {
    const { text, name, entry, settings } = each;
    const shared = SHARED.filter((key) => Object.hasOwn(entry.settings, key) && !Object.hasOwn(settings, key))
      .filter((key) => options[key] !== undefined && !(key === 'baseline' && file))
      .map((key): [string, string] => [key, String(options[key])]);
    for (const [key, value] of shared) checkSetting(key, value, entry.settings[key]!);
    const all = Object.entries({ ...Object.fromEntries(shared), ...settings });
    const spec = all.length === 0 ? name : `${name}:${all.map((setting) => setting.join('=')).join(',')}`;
    return {
      text,
      spec,
      unit: unitOf(each, options),
      takesFile: file !== undefined && !Object.hasOwn(settings, 'baseline'),
    };
  });
  return (background) =>
    specs.map(({ text, spec, unit, takesFile }) => {
      const { name, method } = methodsFrom(spec, background)[0]!;
      const withFile = takesFile && file && 'baseline' in method ? { ...method, baseline: file } : method;
      return { text, name, method: withFile, unit };
    });
}

function checkSetting(name: string, value: string, setting: { values: string; read(text: string): unknown }): void {
  if (setting.read(value) !== undefined) return;
  const file = name === 'baseline' ? ' or a .npy file' : '';
  throw new UsageError(
    `there is no ${kebabCase(name)} '${value}': take ${setting.values.replaceAll('|', ', ')}${file}`,
  );
}

/** The method whose maps over noisy copies make up the map, where it is named. */
const smoothedBy = ({ settings }: Found<MethodEntry>): Found<MethodEntry> | undefined =>
  settings.method === undefined ? undefined : findAll(methodCatalogue, 'method', settings.method)[0];

/** Of the attributions. */
function unitOf(found: Found<MethodEntry>, { of, layer }: MethodOptions): string {
  const { name, entry } = smoothedBy(found) ?? found;
  const unit = UNITS[name];
  const isSquared = SQUARED.includes(found.name);
  if (unit !== undefined) return isSquared && unit !== NO_UNIT ? `squared ${unit}` : unit;
  if (isSquared) return entry.scale === 'global' ? `squared ${of}` : 'squared slope';
  return entry.scale === 'global' ? of : `${of} per unit of ${layer === undefined ? 'pixel value' : 'activation'}`;
}

/** Mean squares and variances over noisy copies. */
const SQUARED: readonly string[] = ['smoothgrad-squared', 'vargrad'];

const NO_UNIT = 'no unit';

/** Of maps that are neither slopes nor shares of the output. */
const UNITS: Readonly<Record<string, string>> = {
  activation: 'activation',
  random: NO_UNIT,
  edges: 'pixel value',
  'excitation-backprop': 'probability',
  'guided-grad-cam': NO_UNIT,
};
