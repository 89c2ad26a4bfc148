import { basename } from 'node:path';
import { Command, Option } from 'commander';
import type { Attack } from '../attacks/attack.ts';
import { auditAttacks } from '../audit/attacks.ts';
import { type AuditConfiguration, COUNTS, type Effort } from '../audit/configuration.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { loadClassifier } from '../models/node/load.ts';
import type { AuditResult } from '../report/audit-result.ts';
import { auditFindings } from '../report/audit-summary.ts';
import { epsilon, percent, percentInterval } from '../report/format.ts';
import { hashModelFile } from '../runs/hash.ts';
import { type AttackOptions, attacksFrom, withAttackOptions } from './attack-options.ts';
import { checkLines } from './evaluate.ts';
import {
  type CommonOptions,
  epsilonList,
  type ModelOptions,
  noteIgnored,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { runCommand } from './terminal.ts';
import { trainingBeside } from './training-beside.ts';

interface AuditCommandOptions extends CommonOptions, ModelOptions, AttackOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
  effort: Effort;
  epsilons?: number[];
  out?: string;
}

/** `tempered audit`: a model of one's own under every light. */
export function auditCommand(): Command {
  const command = new Command('audit')
    .summary('inspect, attack and explain a model of your own, in a report')
    .description('inspect a classifier, attack and explain it, check the evaluation itself, and write a report')
    .argument('<MODEL.onnx>', 'classifier: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'all']).default('test'))
    .addOption(
      new Option('--effort <NAME>', 'minutes or hours').choices(['quick', 'standard', 'full']).default('quick'),
    )
    .option('--count <N>', 'the first N images (default: 100, 500 or 1000 by the effort)', positiveInteger)
    .option('--epsilons <LIST>', 'radii in pixel units (default: doubling down to chance)', epsilonList)
    .option('--out <DIR>', 'run folder (default: runs/audit-<model>)')
    .addHelpText(
      'after',
      '\nThe folder gets report.html, audit.json, tables and images.\nStopped at any moment, the same command goes on where it was.',
    );
  return withCommonOptions(withModelOptions(withAttackOptions(command, 'by effort'))).action(
    (path: string, options: AuditCommandOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, effort, seed, epsilons, mean, std, inputShape, modelOutput } = options;
        const attacks = options.attack ? attacksFrom(command, options) : usualAttacks(command, options);
        const folder = options.out ?? `runs/audit-${basename(path, '.onnx')}`;
        await checkFolder(folder);
        await checkFile(options.json);
        const { runAudit } = await import('../audit/audit.ts');
        const { result, report: page } = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const count = options.count ?? COUNTS[effort];
          const size = classifier.inputShape[1];
          const dataset = await loadDataset({ name: data, dataDir, split, count, size, seed, signal, onProgress });
          const configuration: AuditConfiguration = {
            ...{ effort, data, split, count, epsilons, attacks, seed, mean, std, inputShape, modelOutput },
            exampleCount: 4,
          };
          const preprocessing =
            mean || std
              ? `mean ${mean?.join(', ') ?? 0} and standard deviation ${std?.join(', ') ?? 1} taken off by --mean and --std`
              : 'whatever is done to them is part of the file';
          const hash = await hashModelFile(path);
          const training = await trainingBeside(path, hash, classifier.description);
          const about = { classifier, file: path, hash, preprocessing, training };
          return runAudit({ ...about, dataset, configuration, folder, signal, onProgress });
        });
        await report(terminal, options, withoutPictures(result, page), [...linesOf(result), '', `Report: ${page}`]);
      }),
  );
}

/** Those of the effort have their own settings, but for the norm. */
function usualAttacks(command: Command, { effort, norm = 'linf' }: AuditCommandOptions): Record<string, Attack> {
  noteIgnored(command, ['steps', 'stepSize', 'randomStart', 'restarts', 'keep', 'loss'], 'without --attack');
  return auditAttacks(effort, norm);
}

const withoutPictures = ({ examples: _examples, ...numbers }: AuditResult, page: string) => ({
  ...numbers,
  report: page,
});

function linesOf(result: AuditResult): string[] {
  const rows = result.evaluation.underAttack.map((at) => [
    epsilon(at.epsilon),
    percent(at.accuracy),
    percentInterval(at),
    `${at.correct} of ${at.count}`,
  ]);
  return [
    ...textTable(['ε', 'worst case', '95% interval', 'right'], rows),
    ...checkLines(result),
    '',
    ...auditFindings(result).map(({ topic, text }) => `${topic}: ${text}`),
  ];
}
