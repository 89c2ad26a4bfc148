import { Command } from 'commander';
import { catalogue, choicesOf, settingsOf } from '../attacks/catalogue.ts';
import { kebabCase } from './attack-options.ts';
import { fill } from './help.ts';
import { runCommand, type Terminal } from './terminal.ts';

/** `tempered attacks`: what `--attack` can be given. */
export function attacksCommand(): Command {
  return new Command('attacks')
    .description('list the attacks, their norms and settings')
    .option('--json', 'as JSON, to standard output')
    .addHelpText(
      'after',
      `
Settings follow the name: --attack pgd:steps=40,step-size=1/255,restarts=5
As options they hold for every attack that has them and does not set them:
  --steps K                 steps
  --step-size S             in pixel units (default of PGD: 2.5 ε / min(K, 40))
  --[no-]random-start       start from a random point of the ball
  --restarts R              runs of each attack on the images that still stand
  --keep last|worst|first   iterate that counts
  --loss NAME               what gradient attacks ascend: ce, margin ...`,
    )
    .action(({ json }: { json?: boolean }) =>
      runCommand(async (terminal) => {
        const rows = Object.entries(catalogue).map(([name, { summary, norms, differs }]) => ({
          name,
          summary,
          norms,
          settings: settingsOf(name).map(kebabCase),
          choices: Object.fromEntries(
            settingsOf(name).flatMap((setting) => {
              const names = valuesOf(name, setting);
              return names === undefined ? [] : [[kebabCase(setting), names]];
            }),
          ),
          ...(differs && { differs }),
        }));
        if (json) terminal.print(JSON.stringify(rows, undefined, 2));
        else print(terminal, rows);
      }),
    );
}

const YES_OR_NO = ['randomStart', 'minimal'];

const valuesOf = (name: string, setting: string): readonly string[] | undefined =>
  YES_OR_NO.includes(setting) ? ['yes', 'no'] : choicesOf(name, setting);

interface Row {
  readonly name: string;
  readonly summary: string;
  readonly norms: readonly string[];
  readonly settings: readonly string[];
  /** What settings that are no numbers can be. */
  readonly choices: Readonly<Record<string, readonly string[]>>;
  /** Of a study's attack: what it does otherwise than `pgd`. */
  readonly differs?: readonly string[];
}

const COLUMN = 24;

function print({ print }: Terminal, rows: readonly Row[]): void {
  const line = (name: string, text: string) =>
    print(fill(`${name.padEnd(COLUMN).replaceAll(' ', '\u00a0')}${text}`, 80, ' '.repeat(COLUMN)));
  let isStudy = false;
  for (const { name, summary, norms, settings, choices, differs } of rows) {
    if (differs && !isStudy)
      print('\nOf studies, with what they do otherwise than pgd (ε is in pixel units here too):\n');
    isStudy = differs !== undefined;
    line(name, `${summary}${norms.length > 0 ? ` (${norms.join(', ')})` : ''}`);
    for (const each of differs ?? []) line('', `–\u00a0${each}`);
    const own = settings.filter((each) => !OF_ALL.includes(each));
    if (own.length > 0) line('', inWords(own, choices));
  }
  const [{ choices = {} } = {}] = rows;
  print(`\nBeside these, where an attack does not do so by itself:\n  ${inWords(OF_ALL, choices)}`);
}

const OF_ALL: readonly string[] = ['target', 'minimal'];

const inWords = (settings: readonly string[], choices: Row['choices']): string =>
  settings.map((each) => (choices[each] ? `${each}=${choices[each].join('|')}` : each)).join(', ');
