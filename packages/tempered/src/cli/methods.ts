import { Command } from 'commander';
import { methodCatalogue } from '../attribution/catalogue.ts';
import { type Entry, kebabCase } from '../attribution/settings.ts';
import { measureCatalogue } from '../evaluation/explanations/measures.ts';
import { fill } from './help.ts';
import { runCommand } from './terminal.ts';

/** `tempered methods`: what `--method`, `--methods` and `--metrics` can be given. */
export function methodsCommand(): Command {
  return new Command('methods')
    .summary('list the methods of attribution and the metrics')
    .description('list the methods of attribution, the metrics of explanations, and their settings')
    .option('--json', 'as JSON, to standard output')
    .addHelpText(
      'after',
      `
Settings follow the name: tempered explain --method ig:steps=20,baseline=white
Apart by commas: tempered score --methods gradient,lrp:composite=epsilon`,
    )
    .action(({ json }: { json?: boolean }) =>
      runCommand(async ({ print }) => {
        const lists = { methods: rowsOf(methodCatalogue), metrics: rowsOf(measureCatalogue) };
        if (json) {
          print(JSON.stringify(lists, undefined, 2));
          return;
        }
        for (const [heading, rows] of Object.entries(lists)) {
          print(`${heading === 'methods' ? 'Methods of attribution' : '\nMetrics of explanations'}:\n`);
          for (const { name, aliases, summary, settings } of rows) {
            line(print, name, `${summary}${aliases.length > 0 ? ` (also ${aliases.join(', ')})` : ''}`);
            const named = Object.entries(settings).map(([setting, values]) => inWords(setting, values));
            if (named.length > 0) line(print, '', named.join(', '));
          }
        }
      }),
    );
}

const rowsOf = (catalogue: Readonly<Record<string, Entry<unknown> | undefined>>) =>
  Object.entries(catalogue).flatMap(([name, entry]) => {
    if (entry === undefined) return [];
    const settings = Object.entries(entry.settings).map(
      ([setting, { values }]) => [kebabCase(setting), values] as const,
    );
    return [{ name, summary: entry.summary, aliases: entry.aliases, settings: Object.fromEntries(settings) }];
  });

/** Names to choose from are listed, long lists over several lines; what a number can be says itself. */
const inWords = (setting: string, values: string): string =>
  values.includes('|') ? `${setting}=${values.length > 50 ? values.replaceAll('|', '|\u200b') : values}` : setting;

const COLUMN = 25;

const line = (print: (line: string) => void, name: string, text: string): void =>
  print(fill(`${name.padEnd(COLUMN).replaceAll(' ', '\u00a0')}${text}`, 80, ' '.repeat(COLUMN)));
