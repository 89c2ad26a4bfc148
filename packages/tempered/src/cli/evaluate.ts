import { Command, Option } from 'commander';
import type { Attack } from '../attacks/attack.ts';
import { fgsm } from '../attacks/fgsm.ts';
import { type Pgd, pgd } from '../attacks/pgd.ts';
import { restarts } from '../attacks/restarts.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { UsageError } from '../errors.ts';
import { accuracyOf } from '../evaluation/accuracy.ts';
import { fitDataset } from '../evaluation/fit.ts';
import { attackEach, ledgerCsv } from '../evaluation/ledger.ts';
import { loadClassifier } from '../models/node/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { epsilon, percent, percentInterval } from '../report/format.ts';
import { writeFileAtomic } from '../runs/atomic.ts';
import {
  type CommonOptions,
  epsilonList,
  type ModelOptions,
  nonNegative,
  normOption,
  noteIgnored,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

export interface AttackOptions {
  attack: 'pgd' | 'fgsm';
  norm: Norm;
  steps: number;
  stepSize?: number;
  randomStart: boolean;
  restarts: number;
  loss: 'ce' | 'margin';
  keep: Pgd['keep'];
}

interface EvaluateOptions extends CommonOptions, ModelOptions, AttackOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
  epsilons: number[];
  batchSize?: number;
  ledger?: string;
}

/** `tempered evaluate`: accuracy of a model under attack, over a list of ε. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('measure natural and robust accuracy of an ONNX classifier')
    .argument('<MODEL.onnx>', 'classifier: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(
      new Option('--split <NAME>', 'which images').choices(['train', 'test', 'conflict', 'all']).default('test'),
    )
    .option('--count <N>', 'the first N images in file order (default: all)', positiveInteger)
    .addOption(
      new Option('--epsilons <LIST>', 'radii in pixel units')
        .argParser(epsilonList)
        .default([0, 2 / 255, 4 / 255, 8 / 255], '0,2/255,4/255,8/255'),
    )
    .option('--batch-size <N>', 'images a run (default: 50, fewer for large images)', positiveInteger)
    .option('--ledger <FILE.csv>', 'write what becomes of each image at each ε');
  return withCommonOptions(withModelOptions(withAttackOptions(command))).action(
    (path: string, options: EvaluateOptions, command: Command) =>
      runCommand(async (terminal) => {
        noteIgnored(command, unusedBy(options.attack), `with --attack ${options.attack}`);
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, count, epsilons, seed, batchSize } = options;
        await checkFile(options.json);
        await checkFile(options.ledger);
        const attack = attackFrom(options);
        const { ledger, note } = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const size = classifier.inputShape[1];
          const loaded = await loadDataset({ name: data, dataDir, split, count, size, seed, signal, onProgress });
          const dataset = fitDataset(classifier.description, loaded);
          return {
            ledger: await attackEach(classifier, { dataset, attack, epsilons, seed, batchSize, signal, onProgress }),
            note: dataset.note,
          };
        });
        const results = ledger.underAttack.map((result) => accuracyOf(result, ledger.labels));
        if (options.ledger !== undefined) await writeFileAtomic(options.ledger, ledgerCsv(ledger));
        const result = {
          model: path,
          data,
          note,
          split,
          count: results[0]?.count,
          attack,
          seed,
          results: results.map(({ lower, upper, ...row }) => ({ ...row, interval: [lower, upper] })),
        };
        const rows = results.map((row) => [
          epsilon(row.epsilon),
          percent(row.accuracy),
          percentInterval(row),
          `${row.correct} of ${row.count}`,
        ]);
        const without = Math.max(...results.map(({ zeroGradients }) => zeroGradients));
        await report(terminal, options, result, [
          ...textTable(['ε', 'accuracy', '95% interval', 'right'], rows),
          ...(without > 0 ? [noGradient(without, ledger.labels.length, options)] : []),
          ...(note === undefined ? [] : [`Data: ${note}`]),
        ]);
      }),
  );
}

/** A loss that is saturated hides weak images instead of finding them. */
export const noGradient = (images: number, count: number, { loss }: AttackOptions): string =>
  `${images} of ${count} images gave no gradient${loss === 'ce' ? ': try --loss margin' : ''}`;

export function withAttackOptions(command: Command): Command {
  return command
    .addOption(new Option('--attack <NAME>', 'attack').choices(['pgd', 'fgsm']).default('pgd'))
    .addOption(normOption())
    .option('--steps <K>', 'steps of PGD', positiveInteger, 20)
    .option('--step-size <S>', 'step of PGD in pixel units (default: 2.5 ε / steps)', nonNegative)
    .option('--random-start', 'start PGD from a random point of the ball (default)', true)
    .option('--no-random-start', 'start PGD from the image itself')
    .option('--restarts <R>', 'starts; an image that one of them breaks counts as broken', positiveInteger, 1)
    .addOption(
      new Option('--keep <NAME>', 'image of each start that counts').choices(['last', 'worst']).default('last'),
    )
    .addOption(new Option('--loss <NAME>', 'what the attack ascends').choices(['ce', 'margin']).default('ce'));
}

/** Options that an attack does not look at. */
export const unusedBy = (attack: AttackOptions['attack']): string[] =>
  attack === 'fgsm' ? ['steps', 'stepSize', 'randomStart', 'restarts', 'keep'] : [];

export function attackFrom(options: AttackOptions): Attack {
  const { norm, steps, stepSize, randomStart, keep } = options;
  const loss = options.loss === 'ce' ? 'cross-entropy' : 'margin';
  if (options.attack === 'fgsm') return fgsm({ norm, loss });
  if (options.restarts > 1 && !randomStart)
    throw new UsageError('--restarts above 1 needs --random-start: without it every start is the same');
  const attack = pgd({ norm, steps, stepSize, randomStart, keep, loss });
  return options.restarts > 1 ? restarts(attack, options.restarts) : attack;
}
