import { type Command, Help, type Option } from 'commander';

/** Lays a command's help out so that it fits a screen of 80 columns and 40 rows. */
export function compactHelp(command: Command): void {
  command.configureHelp({
    helpWidth: Math.min(process.stdout.columns ?? 80, 100),
    subcommandTerm: (subcommand) => subcommand.name(),
    optionDescription: describe,
  });
}

/** "update rule: adam, sgd (default: adam)" instead of quoted lists. */
function describe(this: Help, option: Option): string {
  if (option.argChoices === undefined && typeof option.defaultValue !== 'string') {
    return option.defaultValue === false ? option.description : Help.prototype.optionDescription.call(this, option);
  }
  const choices = option.argChoices === undefined ? '' : `: ${option.argChoices.join(', ')}`;
  const fallback = option.defaultValueDescription ?? option.defaultValue;
  return `${option.description}${choices}${fallback === undefined ? '' : ` (default: ${fallback})`}`;
}
