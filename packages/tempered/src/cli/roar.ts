import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { Command } from 'commander';
import { correlation, PROTOCOL_LABELS, seriesLabel } from '../report/roar-format.ts';
import { publishedCorrelation } from '../report/roar-published.ts';
import type { RoarResult } from '../report/roar-result.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { readSettings } from './configuration-file.ts';
import { type CommonOptions, noteSizeOf, positiveInteger, withCommonOptions } from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { roarSchema, withSettings } from './roar-schema.ts';
import { parseConfiguration } from './schema.ts';
import { runCommand } from './terminal.ts';

interface RoarOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  size?: number;
  out?: string;
}

/** `tempered roar`: whether the pixels that a model says it looks at carry its task. */
export function roarCommand(): Command {
  const command = new Command('roar')
    .summary('ROAR and KAR over models of rising robustness, in a report')
    .description(
      'remove what models of rising robustness look at (ROAR), or all else (KAR), train anew, and hold the loss against their robustness (Kim et al. 2019); settings can stand in a JSON file, options override it',
    )
    .argument('[CONFIG.json]', 'strengths, percentiles, protocols, trainings ...; see examples/roar')
    .option('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, or a folder of pictures', 'shapes')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .option('--out <DIR>', 'run folder (default: runs/roar-<data>)')
    .addHelpText(
      'after',
      '\nAs many trainings run at once as --threads says; results do not depend on it.\nThe folder gets report.html, roar.json, tables, figures and models.\nStopped at any moment, the same command goes on where it was.',
    );
  return withCommonOptions(command).action((file: string | undefined, options: RoarOptions, command: Command) =>
    runCommand(async (terminal) => {
      const settings = file === undefined ? {} : await readSettings(file);
      for (const name of ['data', 'size', 'seed'] as const)
        if (command.getOptionValueSource(name) === 'cli') settings[name] = options[name];
      const configuration = withSettings(parseConfiguration(roarSchema, settings, file));
      noteSizeOf(command, configuration.data);
      const folder = options.out ?? `runs/roar-${basename(configuration.data)}`;
      await checkFolder(folder);
      await checkFile(options.json);
      const { runRoarStudy } = await import('../study/roar/roar.ts');
      const { dataDir, device, threads = availableParallelism() } = options;
      const { signal, onProgress } = terminal;
      const { result, report: page } = await withRuntimes(device, threads, (runtimes) =>
        runRoarStudy({ runtimes, configuration, folder, dataDir, signal, onProgress }),
      );
      const { samples: _samples, ...numbers } = result;
      await report(terminal, options, { ...numbers, report: page }, [...summaryOf(result), '', `Report: ${page}`]);
    }),
  );
}

/** Opens engines of one thread each: several with more threads would wait for each other. */
async function withRuntimes<T>(
  device: CommonOptions['device'],
  count: number,
  work: (runtimes: readonly Runtime[]) => Promise<T>,
): Promise<T> {
  const runtimes: Runtime[] = [];
  try {
    for (let i = 0; i < count; i++) runtimes.push(await createNodeRuntime({ device, threads: 1 }));
    return await work(runtimes);
  } finally {
    await Promise.all(runtimes.map((runtime) => runtime.close()));
  }
}

function summaryOf({ protocols, claims }: RoarResult): string[] {
  const tables = protocols.flatMap(({ name, series }) => {
    const rows = series
      .filter(({ against }) => against === 'strength' || against === 'testAccuracy')
      .map((each) => {
        const published = publishedCorrelation(each);
        return [
          `${each.mode.toUpperCase()} ${each.loss === 'cw' ? 'CW ' : ''}against ${each.against === 'strength' ? 'strength' : 'test accuracy'}`,
          seriesLabel(each),
          correlation(each.pearson),
          correlation(each.spearman),
          published ? correlation(published.pearson) : '–',
        ];
      });
    return [PROTOCOL_LABELS[name], ...textTable(['score', 'series', 'r', 'ρ', 'published r'], rows), ''];
  });
  return [...tables, ...claims.map(({ id, protocol, outcome, found }) => `${id}, ${protocol}: ${outcome} (${found})`)];
}
