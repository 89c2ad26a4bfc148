/** @file Attacks on the command line: `--attack pgd:steps=40,loss=margin`, with options that hold for all of them. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Attack } from '../attacks/attack.ts';
import { type AttackSettings, attackOf, catalogue, choices, settingsOf } from '../attacks/catalogue.ts';
import { UsageError } from '../errors.ts';
import { ATTACK_OPTIONS, nonNegative, normOption, noteIgnored, positiveInteger, wholeNumber } from './options.ts';

/** The values of `withAttackOptions`. */
export interface AttackOptions
  extends Pick<AttackSettings, 'norm' | 'steps' | 'stepSize' | 'randomStart' | 'restarts' | 'keep'> {
  attack?: AttackSpec[];
  loss?: string;
}

interface AttackSpec {
  /** As it was written. */
  readonly text: string;
  readonly name: string;
  readonly settings: AttackSettings;
}

const LOSSES: Readonly<Record<string, NonNullable<AttackSettings['loss']>>> = {
  ce: 'cross-entropy',
  'cross-entropy': 'cross-entropy',
  margin: 'margin',
  dlr: 'dlr',
  'targeted-dlr': 'targeted-dlr',
  logit: 'logit',
};

const oneOf =
  <const T extends string>(names: readonly T[]) =>
  (text: string): T => {
    const choice = names.find((each) => each === text);
    if (choice === undefined) throw new InvalidArgumentError(`Allowed choices are ${names.join(', ')}.`);
    return choice;
  };

const yesOrNo = (text: string): boolean => oneOf(['yes', 'no'])(text) === 'yes';

/** How the value of each setting is read. */
const readers: { readonly [Name in keyof Required<AttackSettings>]: (text: string) => AttackSettings[Name] } = {
  norm: oneOf(choices.norm),
  loss: (text) => LOSSES[oneOf(Object.keys(LOSSES))(text)],
  steps: positiveInteger,
  stepSize: nonNegative,
  randomStart: yesOrNo,
  keep: oneOf(choices.keep),
  queries: positiveInteger,
  samples: positiveInteger,
  sigma: nonNegative,
  draws: positiveInteger,
  kind: oneOf(choices.kind),
  targets: positiveInteger,
  decay: nonNegative,
  overshoot: nonNegative,
  confidence: nonNegative,
  finalSearch: wholeNumber,
  smoothness: nonNegative,
  coefficientNorm: oneOf(choices.coefficientNorm),
  aim: oneOf(choices.aim),
  restarts: positiveInteger,
  target: oneOf(choices.target),
  minimal: yesOrNo,
};

const isSetting = (name: string): name is keyof typeof readers => Object.hasOwn(readers, name);

const camelCase = (name: string): string => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** `pgd` or `pgd:steps=40,step-size=1/255`; several after each other, apart by spaces. */
export function attackSpecs(text: string, before: AttackSpec[] = []): AttackSpec[] {
  return [...before, ...text.trim().split(/\s+/).map(attackSpec)];
}

function attackSpec(text: string): AttackSpec {
  const [name = '', rest = ''] = text.split(/:(.*)/s);
  if (!Object.hasOwn(catalogue, name))
    throw new InvalidArgumentError(`There is no attack '${name}': choose from ${Object.keys(catalogue).join(', ')}.`);
  const known: readonly string[] = settingsOf(name);
  const settings = rest
    .split(',')
    .filter(Boolean)
    .map((part): [string, unknown] => {
      const [key = '', value = ''] = part.split(/=(.*)/s);
      const setting = camelCase(key.trim());
      if (!isSetting(setting) || !known.includes(setting))
        throw new InvalidArgumentError(`'${name}' has no setting '${key}': it has ${known.map(kebabCase).join(', ')}.`);
      return [setting, readers[setting](value.trim())];
    });
  return { text, name, settings: Object.fromEntries(settings) };
}

export const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Which attacks, and what holds for each of them that has such a setting and does not set it itself. */
export function withAttackOptions(command: Command, usual = 'pgd'): Command {
  return command
    .option('--attack <SPEC>', `one or more, such as "pgd:steps=40 fgsm" (default: ${usual})`, attackSpecs)
    .addOption(normOption())
    .optionsGroup(ATTACK_OPTIONS)
    .option('--steps <K>', 'steps (default: as many as the attack has by itself)', positiveInteger)
    .option('--step-size <S>', 'step in pixel units (default of PGD: 2.5 ε / min(K, 40))', nonNegative)
    .option('--random-start', 'start from a random point of the ball (default)')
    .option('--no-random-start', 'start from the image itself')
    .option('--restarts <R>', 'runs of each attack on the images that still stand', positiveInteger)
    .addOption(new Option('--keep <NAME>', 'iterate that counts').choices(choices.keep))
    .addOption(new Option('--loss <NAME>', 'what gradient attacks ascend').choices(Object.keys(LOSSES)));
}

/** The attacks asked for, by the text that asked for them; notes on standard error what has no effect on any. */
export function attacksFrom(command: Command, options: AttackOptions): Record<string, Attack> {
  const { attack: specs = attackSpecs('pgd'), loss, norm, steps, stepSize, randomStart, restarts, keep } = options;
  const common: AttackSettings = {
    ...{ norm, steps, stepSize, randomStart, restarts, keep },
    loss: loss === undefined ? undefined : LOSSES[loss],
  };
  const isDefault = (name: string) => command.getOptionValueSource(name) === 'default';
  const given = Object.entries(common).filter(([name, value]) => value !== undefined && !isDefault(name));
  const names = [...new Set(specs.map(({ name }) => name))];
  const ignored = given.map(([name]) => name).filter((name) => !names.some((each) => settingsOf(each).includes(name)));
  noteIgnored(command, ignored, `with --attack ${names.join(' ')}`);
  const attacks: Record<string, Attack> = {};
  for (const { text, name, settings } of specs) {
    // An attack that has no form for the norm that nobody asked for has its own.
    const usual = isDefault('norm') && catalogue[name]!.norms.includes(norm!) ? { norm } : {};
    const all: AttackSettings = { ...usual, ...Object.fromEntries(given), ...settings };
    if ((all.restarts ?? 1) > 1 && all.randomStart === false)
      throw new UsageError('--restarts above 1 needs --random-start: without it every start is the same');
    attacks[text] = attackOf(name, all);
  }
  return attacks;
}
