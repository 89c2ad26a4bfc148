import { type Command, Help, type Option } from 'commander';
import { ATTACK_OPTIONS, COMMON_OPTIONS, MODEL_OPTIONS, MORE_OPTIONS } from './options.ts';

const LISTED = [MORE_OPTIONS, ATTACK_OPTIONS, MODEL_OPTIONS, COMMON_OPTIONS];

/** Lays a command's help out so that it fits a screen of 80 columns and 34 rows. */
export function compactHelp(command: Command): void {
  command.configureHelp({
    helpWidth: Math.min(process.stdout.columns ?? 80, 100),
    subcommandTerm: (subcommand) => subcommand.name(),
    optionTerm,
    optionDescription: describe,
    visibleOptions,
    formatHelp,
  });
}

const isListed = ({ helpGroupHeading = '' }: Option): boolean => LISTED.includes(helpGroupHeading);

/** `--name` stands for `--no-name` too; and what `formatHelp` only lists is not explained here. */
function visibleOptions(this: Help, command: Command): Option[] {
  const options = Help.prototype.visibleOptions.call(this, command);
  const names = new Set(options.map(({ long }) => long));
  return options.filter(
    (option) => !(option.negate && names.has(option.long?.replace('--no-', '--'))) && !isListed(option),
  );
}

function optionTerm(option: Option): string {
  return option.defaultValue === true ? option.flags.replace('--', '--[no-]') : option.flags;
}

/** The usual help, and after it one paragraph for the options that many commands share. */
function formatHelp(this: Help, command: Command, help: Help): string {
  const paragraphs = LISTED.map((heading) => {
    const terms = command.options.filter((option) => option.helpGroupHeading === heading).map(termOf);
    return terms.length === 0 ? '' : `\n${fill(`${heading} ${terms.join(', ')}`, help.helpWidth ?? 80, '  ')}\n`;
  });
  return `${Help.prototype.formatHelp.call(help, command, help)}${paragraphs.join('')}`;
}

/** No line break inside a term. */
const termOf = ({ flags, argChoices }: Option): string =>
  (argChoices ? flags.replace(/<.*>/, argChoices.join('|')) : flags.replace(/<(.*)>/, '$1')).replaceAll(' ', '\u00a0');

/**
 * Text in lines of at most `width` characters, indented from the second on; a no-break space is one that stays in its line,
 * and a zero-width space a place where the line can end without one.
 */
export function fill(text: string, width: number, indentation: string): string {
  const shown = (line: string): string => line.replace(/ $/, '').replaceAll('\u200b', '');
  const lines = [''];
  for (const word of text.split(/(?<=[ \u200b])/)) {
    const line = lines.at(-1)!;
    if (shown(line + word).length <= width) lines[lines.length - 1] = line + word;
    else lines.push(`${indentation}${word}`);
  }
  return lines.map(shown).join('\n').replaceAll('\u00a0', ' ');
}

/** "update rule: adam (default), sgd" instead of quoted lists. */
function describe(this: Help, { description, argChoices, defaultValue, defaultValueDescription }: Option): string {
  if (argChoices !== undefined) {
    const choices = argChoices.map((choice) => (choice === defaultValue ? `${choice} (default)` : choice));
    return `${description}: ${choices.join(', ')}`;
  }
  const fallback = defaultValueDescription ?? (typeof defaultValue === 'boolean' ? undefined : defaultValue);
  return fallback === undefined || description.includes('(default')
    ? description
    : `${description} (default: ${fallback})`;
}
