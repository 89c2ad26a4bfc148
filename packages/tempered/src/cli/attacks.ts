import { Command } from 'commander';
import { catalogue, settingsOf } from '../attacks/catalogue.ts';
import { kebabCase } from './attack-options.ts';
import { runCommand } from './terminal.ts';

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
  --steps K              steps
  --step-size S          step in pixel units (default of PGD: 2.5 ε / steps)
  --[no-]random-start    start from a random point of the ball
  --restarts R           runs of each attack on the images that still stand
  --keep last|worst      iterate that counts
  --loss NAME            what gradient attacks ascend: ce, margin ...`,
    )
    .action(({ json }: { json?: boolean }) =>
      runCommand(async ({ print }) => {
        const rows = Object.entries(catalogue).map(([name, { summary, norms }]) => ({
          name,
          summary,
          norms,
          settings: settingsOf(name).map(kebabCase),
        }));
        if (json) print(JSON.stringify(rows, undefined, 2));
        else
          for (const { name, summary, norms, settings } of rows) {
            print(`${name.padEnd(20)} ${summary}${norms.length > 0 ? ` (${norms.join(', ')})` : ''}`);
            print(`${' '.repeat(21)}${settings.join(', ')}`);
          }
      }),
    );
}
