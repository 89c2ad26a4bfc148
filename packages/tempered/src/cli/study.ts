import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { epsilon, percent, percentInterval } from '../report/format.ts';
import type { StudyResult } from '../report/study-result.ts';
import { type Preset, studyConfiguration } from '../study/configuration.ts';
import { type CommonOptions, noteSizeOf, positiveInteger, withCommonOptions, withRuntime } from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface StudyCommandOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  preset: Preset;
  out?: string;
  epochs?: number;
  size?: number;
}

/** `tempered study`: the main job from end to end. */
export function studyCommand(): Command {
  const command = new Command('study')
    .summary('standard and robust classifier side by side, in a report')
    .description('train a standard and a robust classifier, attack, explain and measure both, and write a report')
    .option('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, or a folder of pictures', 'shapes')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--preset <NAME>', 'minutes or hours').choices(['quick', 'full']).default('quick'))
    .option('--out <DIR>', 'run folder (default: runs/<data>-<preset>)')
    .option('--epochs <N>', 'epochs of both trainings, instead of the preset’s', positiveInteger)
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .addHelpText(
      'after',
      '\nThe folder gets report.html, study.json, tables, images and both models as ONNX.\nStopped at any moment, the same command goes on where it was.',
    );
  return withCommonOptions(command).action((options: StudyCommandOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteSizeOf(command, options.data);
      const { runStudy } = await import('../study/study.ts');
      const { data, dataDir, preset, seed, epochs, size } = options;
      const base = studyConfiguration(data, preset, seed);
      const configuration = { ...base, epochs: epochs ?? base.epochs, size: size ?? base.size };
      const folder = options.out ?? `runs/${basename(data)}-${preset}`;
      await checkFolder(folder);
      await checkFile(options.json);
      const { signal, onProgress } = terminal;
      const { result, report: page } = await withRuntime(options, (runtime) =>
        runStudy({ runtime, configuration, folder, dataDir, signal, onProgress }),
      );
      const { examples: _examples, largeEpsilon: _large, traversal: _traversal, ...numbers } = result;
      await report(terminal, options, { ...numbers, report: page }, [...summaryOf(result), '', `Report: ${page}`]);
    }),
  );
}

function summaryOf({ models, attack }: StudyResult): string[] {
  const cells = ({ accuracy, lower, upper }: { accuracy: number; lower: number; upper: number }) =>
    `${percent(accuracy)} ${percentInterval({ lower, upper })}`;
  const rows = [['natural', cells(models.standard.natural), cells(models.robust.natural)]];
  if (models.standard.conflict && models.robust.conflict) {
    rows.push(['conflict split', cells(models.standard.conflict), cells(models.robust.conflict)]);
  }
  models.standard.underAttack.forEach((row, i) => {
    if (row.epsilon > 0)
      rows.push([`${attack.name}, ε = ${epsilon(row.epsilon)}`, cells(row), cells(models.robust.underAttack[i]!)]);
  });
  return textTable(['accuracy', 'standard', 'robust'], rows);
}
