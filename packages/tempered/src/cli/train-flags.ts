/** @file The options of `tempered train`, and how they override a configuration file. */
import { type Command, Option } from 'commander';
import { architectures } from '../models/architectures/index.ts';
import { isSettings, readSettings, type Settings } from './configuration-file.ts';
import {
  type CommonOptions,
  MORE_OPTIONS,
  nonNegative,
  noteIgnored,
  positiveInteger,
  wholeNumber,
  withCommonOptions,
} from './options.ts';
import { parseConfiguration } from './schema.ts';
import { METHOD_NAMES, type MethodName, settingsOfMethod } from './train-method.ts';
import { configurationSchema, type TrainConfiguration } from './train-schema.ts';

export interface TrainFlags extends CommonOptions {
  out: string;
}

const choice = (flags: string, description: string, names: readonly string[]): Option =>
  new Option(flags, description).choices(names);

const DEFAULTS = parseConfiguration(configurationSchema, {});

/** Defaults are shown here, but are the configuration's: only what is given overrides a file. */
export function withTrainFlags(command: Command): Command {
  command
    .option('--data <NAME>', 'shapes (default), mnist, fashion-mnist, cifar10, FOLDER')
    .addOption(choice('--method <NAME>', 'training method', METHOD_NAMES).default(DEFAULTS.method.name))
    .addOption(choice('--architecture <NAME>', 'network', Object.keys(architectures)).default(DEFAULTS.architecture))
    .option('--init <FILE>', 'start from this ONNX model; new last layer if need be')
    .option('--epochs <N>', 'passes over the data', positiveInteger, DEFAULTS.epochs)
    .option('--batch-size <N>', 'images a step', positiveInteger, DEFAULTS.batchSize)
    .addOption(choice('--optimizer <NAME>', 'update rule', ['adam', 'adamw', 'sgd']).default(DEFAULTS.optimizer.name))
    .option('--learning-rate <R>', 'at its highest', nonNegative, DEFAULTS.learningRate)
    .addOption(choice('--norm <NAME>', 'of the attack', ['linf', 'l2', 'l1']).default('linf'))
    .option('--epsilon <E>', 'radius of the attack in pixel units (default: 8/255)', nonNegative)
    .requiredOption('--out <DIR>', 'run folder: model.onnx, metrics.csv, TensorBoard events')
    .optionsGroup(MORE_OPTIONS)
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .option('--count <N>', 'the first N training images (default: all)', positiveInteger)
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .addOption(
      choice('--schedule <NAME>', 'of the rate', [
        ...['constant', 'cosine', 'cyclic', 'exponential', 'multi-step', 'one-cycle', 'step'],
      ]),
    )
    .option('--steps <K>', 'of the attack on each batch', positiveInteger)
    .option('--weight-decay <D>', 'of the optimiser', nonNegative)
    .option('--warmup <F>', 'share of the training over which ε grows', nonNegative)
    .option('--padding <N>', 'random crops after padding by N pixels', wholeNumber)
    .option('--flip', 'random horizontal flips')
    .option('--validation <N>', 'training images kept apart to choose the best epoch', wholeNumber);
  return withCommonOptions(command);
}

/** Where an option goes in a configuration: a setting, or one inside another. */
const PLACES: Readonly<Record<string, readonly [string] | readonly [string, string]>> = {
  data: ['data'],
  dataDir: ['dataDir'],
  count: ['count'],
  size: ['size'],
  architecture: ['architecture'],
  init: ['init'],
  epochs: ['epochs'],
  batchSize: ['batchSize'],
  learningRate: ['learningRate'],
  seed: ['seed'],
  optimizer: ['optimizer', 'name'],
  weightDecay: ['optimizer', 'weightDecay'],
  schedule: ['schedule', 'name'],
  padding: ['augmentation', 'padding'],
  flip: ['augmentation', 'flip'],
  validation: ['validation', 'count'],
};

/** Options of the method's attack; those that the method does not have are noted. */
const OF_ATTACK = ['norm', 'epsilon', 'steps'] as const;

/** Reads the file, if one is given, lets the options given override it, and checks the whole. */
export async function configurationFrom(file: string | undefined, command: Command): Promise<TrainConfiguration> {
  const settings: Settings = file === undefined ? {} : await readSettings(file);
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli';
  for (const [name, place] of Object.entries(PLACES)) {
    if (isGiven(name)) put(settings, place, command.getOptionValue(name));
  }
  overrideMethod(settings, command, isGiven);
  return parseConfiguration(configurationSchema, settings, file);
}

/** The settings of a variant that may be given by its name alone. A new name keeps none of the old one's settings. */
function variantOf(value: unknown, name: unknown = undefined): Settings {
  const old: Settings = isSettings(value) ? value : value === undefined ? {} : { name: value };
  return name === undefined || old.name === name ? { ...old } : { name };
}

function put(settings: Settings, [outer, inner]: readonly [string] | readonly [string, string], value: unknown): void {
  if (inner === undefined) settings[outer] = value;
  else if (inner === 'name') settings[outer] = variantOf(settings[outer], value);
  else settings[outer] = { ...variantOf(settings[outer]), [inner]: value };
  if (outer === 'optimizer') settings.optimizer = { name: 'adam', ...(settings.optimizer as Settings) };
}

/** A method given as an option takes over what it shares with the file's: the radius, the attack, the ramp. */
function overrideMethod(settings: Settings, command: Command, isGiven: (name: string) => boolean): void {
  const old = variantOf(settings.method ?? 'standard');
  const name = (isGiven('method') ? command.getOptionValue('method') : old.name) as MethodName;
  const own = settingsOfMethod(name);
  const method: Settings =
    name === old.name ? old : { ...Object.fromEntries(Object.entries(old).filter(([key]) => own.includes(key))), name };
  const ignored: string[] = [];
  for (const option of OF_ATTACK) {
    if (!isGiven(option)) continue;
    if (own.includes(option)) method[option] = command.getOptionValue(option);
    // The validation attacks whatever the training does.
    else if (own.includes('epsilon') || option === 'steps') ignored.push(option);
    else put(settings, ['validation', option], command.getOptionValue(option));
  }
  if (isGiven('warmup')) {
    if (own.includes('ramp')) method.ramp = { until: command.getOptionValue('warmup'), unit: 'share' };
    else ignored.push('warmup');
  }
  noteIgnored(command, ignored, `with --method ${name}`);
  settings.method = method;
}
