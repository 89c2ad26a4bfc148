import { Command, Option } from 'commander';
import { type Attack, fgsm, pgd } from '../attacks/attack.ts';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { UsageError } from '../errors.ts';
import { accuracyUnderAttack } from '../evaluation/accuracy.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { epsilon, percent, percentInterval } from '../report/format.ts';
import {
  type CommonOptions,
  epsilonList,
  type ModelOptions,
  nonNegative,
  normOption,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkWritable } from './output-folder.ts';
import { runCommand } from './terminal.ts';

export interface AttackOptions {
  attack: 'pgd' | 'fgsm';
  norm: Norm;
  steps: number;
  stepSize?: number;
  randomStart: boolean;
  restarts: number;
  loss: 'ce' | 'margin';
}

interface EvaluateOptions extends CommonOptions, ModelOptions, AttackOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
  epsilons: number[];
}

/** `tempered evaluate`: accuracy of a model under attack, over a list of ε. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('measure natural and robust accuracy of an ONNX classifier')
    .argument('<MODEL.onnx>', 'classifier: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, or a folder of pictures')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'conflict']).default('test'))
    .option('--count <N>', 'the first N images in file order (default: all)', positiveInteger)
    .addOption(
      new Option('--epsilons <LIST>', 'radii in pixel units')
        .argParser(epsilonList)
        .default([0, 2 / 255, 4 / 255, 8 / 255], '0,2/255,4/255,8/255'),
    );
  return withCommonOptions(withModelOptions(withAttackOptions(command))).action(
    (path: string, options: EvaluateOptions) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, count, epsilons, seed } = options;
        await checkWritable(options.json);
        const attack = attackFrom(options);
        const results = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const size = classifier.inputShape[1];
          const dataset = await loadDataset({ name: data, dataDir, split, count, size, signal, onProgress });
          checkFit(classifier, dataset);
          return accuracyUnderAttack(classifier, { dataset, attack, epsilons, seed, signal, onProgress });
        });
        const result = {
          model: path,
          data,
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
        await report(terminal, options, result, textTable(['ε', 'accuracy', '95% interval', 'right'], rows));
      }),
  );
}

export function withAttackOptions(command: Command): Command {
  return command
    .addOption(new Option('--attack <NAME>', 'attack').choices(['pgd', 'fgsm']).default('pgd'))
    .addOption(normOption())
    .option('--steps <K>', 'steps of PGD', positiveInteger, 20)
    .option('--step-size <S>', 'step of PGD in pixel units (default: 2.5 ε / steps)', nonNegative)
    .option('--random-start', 'start PGD from a random point of the ball (default)', true)
    .option('--no-random-start', 'start PGD from the image itself')
    .option('--restarts <R>', 'independent starts; each image keeps the worst', positiveInteger, 1)
    .addOption(new Option('--loss <NAME>', 'what the attack ascends').choices(['ce', 'margin']).default('ce'));
}

export function attackFrom(
  { attack, norm, steps, stepSize, randomStart, restarts, loss }: AttackOptions,
  targeted = false,
): Attack {
  const objective = loss === 'ce' ? 'cross-entropy' : 'margin';
  if (attack === 'fgsm') return fgsm({ norm, loss: objective, targeted });
  if (restarts > 1 && !randomStart)
    throw new UsageError('--restarts above 1 needs --random-start: without it every start is the same');
  return pgd({ norm, steps, stepSize, randomStart, restarts, loss: objective, targeted });
}

export function checkFit(
  { inputShape, classes, description }: Classifier,
  { imageShape, name, classes: labels }: Dataset,
): void {
  if (inputShape.join() !== imageShape.join()) {
    throw new UsageError(
      `'${description.name}' takes images of ${inputShape.join('x')}, but those of ${name} are ${imageShape.join('x')} (channels, height, width)`,
    );
  }
  if (classes.length !== labels.length) {
    throw new UsageError(
      `'${description.name}' tells ${classes.length} classes apart, but ${name} has ${labels.length}`,
    );
  }
}
