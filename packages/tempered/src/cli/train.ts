import { Command, Option } from 'commander';
import { pgd } from '../attacks/attack.ts';
import { first, subset } from '../data/dataset.ts';
import { loadDataset } from '../data/node/load.ts';
import { type ArchitectureName, architectures, createModel } from '../models/architectures/index.ts';
import { writeModelFile } from '../models/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { epsilon as formatEpsilon, percent } from '../report/format.ts';
import { checkpointFile } from '../runs/checkpoint-file.ts';
import { openRun } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import { adversarial, standard } from '../training/method.ts';
import { adam, sgd } from '../training/optimizer.ts';
import { constant, cosine, step } from '../training/schedule.ts';
import { train } from '../training/train.ts';
import {
  type CommonOptions,
  nonNegative,
  normOption,
  positiveInteger,
  wholeNumber,
  withCommonOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkWritable } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface TrainCommandOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
  method: 'standard' | 'adversarial';
  architecture: ArchitectureName;
  epochs: number;
  batchSize: number;
  optimizer: 'sgd' | 'adam';
  learningRate: number;
  weightDecay: number;
  schedule: 'constant' | 'step' | 'cosine';
  padding: number;
  flip: boolean;
  norm: Norm;
  epsilon: number;
  steps: number;
  warmup: number;
  validation: number;
  out: string;
}

/** `tempered train`: one classifier, standard or adversarial. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('train a classifier, in the standard way or on adversarial examples')
    .option('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, or a folder of pictures', 'shapes')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .option('--count <N>', 'the first N training images (default: all)', positiveInteger)
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .addOption(
      new Option('--method <NAME>', 'training method').choices(['standard', 'adversarial']).default('standard'),
    )
    .addOption(new Option('--architecture <NAME>', 'network').choices(Object.keys(architectures)).default('small-cnn'))
    .option('--epochs <N>', 'passes over the data', positiveInteger, 5)
    .option('--batch-size <N>', 'images a step', positiveInteger, 100)
    .addOption(new Option('--optimizer <NAME>', 'update rule').choices(['adam', 'sgd']).default('adam'))
    .option('--learning-rate <R>', 'at its highest', nonNegative, 0.002)
    .option('--weight-decay <D>', 'l2 penalty on the weights', nonNegative, 0)
    .addOption(new Option('--schedule <NAME>', 'of the rate').choices(['constant', 'step', 'cosine']).default('cosine'))
    .option('--padding <N>', 'random crops after padding by N pixels', wholeNumber, 0)
    .option('--flip', 'random horizontal flips', false)
    .addOption(normOption())
    .addOption(
      new Option('--epsilon <E>', 'ε of adversarial training, in pixel units')
        .argParser(nonNegative)
        .default(8 / 255, '8/255'),
    )
    .option('--steps <K>', 'PGD steps of adversarial training', positiveInteger, 7)
    .option('--warmup <F>', 'share of the training over which ε grows', nonNegative, 0.3)
    .option('--validation <N>', 'training images that choose the best epoch', wholeNumber, 500)
    .requiredOption('--out <DIR>', 'run folder: model.onnx, last.onnx, metrics.jsonl')
    .addHelpText('after', '\nStopped at any moment, the same command goes on after the last finished epoch.');
  return withCommonOptions(command).action((options: TrainCommandOptions) =>
    runCommand(async (terminal) => {
      const { print, signal, onProgress } = terminal;
      const { data, dataDir, count, size, seed, epochs, epsilon, norm, out } = options;
      await checkWritable(out, options.json);
      const dataset = await loadDataset({ name: data, dataDir, split: 'train', count, size, seed, signal, onProgress });
      const held = Math.min(options.validation, Math.floor(dataset.count / 5));
      const cut = dataset.count - held;
      const result = await withRuntime(options, async (runtime) => {
        const { json: _json, out: _out, threads: _threads, dataDir: _dataDir, seed: _seed, ...configuration } = options;
        const run = await openRun(out, {
          manifest: {
            command: 'train',
            configuration: Object.fromEntries(Object.entries(configuration).filter(([, value]) => value !== undefined)),
            seeds: { train: seed },
            versions: versions(),
            device: runtime.description,
            dataHashes: {},
          },
        });
        const checkpoints = checkpointFile(run.path('checkpoint.npz'));
        const attack = pgd({ norm, steps: options.steps });
        const trained = await train({
          runtime,
          model: createModel({
            architecture: options.architecture,
            inputShape: dataset.imageShape,
            classes: dataset.classes,
            seed,
            name: `${options.architecture}-${options.method}`,
          }),
          dataset: first(dataset, cut),
          method: options.method === 'standard' ? standard() : adversarial({ attack, epsilon, warmup: options.warmup }),
          optimizer: options.optimizer === 'adam' ? adam(options) : sgd(options),
          learningRate: options.learningRate,
          schedule: { constant, step, cosine }[options.schedule](),
          epochs,
          batchSize: options.batchSize,
          seed,
          augmentation:
            options.padding > 0 || options.flip ? { padding: options.padding, flip: options.flip } : undefined,
          validation:
            held > 0
              ? {
                  dataset: subset(
                    dataset,
                    Uint32Array.from({ length: held }, (_, i) => cut + i),
                  ),
                  attack: pgd({ norm, steps: 10 }),
                  epsilon,
                }
              : undefined,
          checkpoints,
          signal,
          onProgress,
          onEpoch: async (record) => {
            await run.appendMetric(record);
            const shares = [
              record.naturalAccuracy !== undefined && `natural ${percent(record.naturalAccuracy)}`,
              record.robustAccuracy !== undefined &&
                `PGD-10 at ${formatEpsilon(epsilon)} ${percent(record.robustAccuracy)}`,
            ];
            if (!options.json) {
              print(
                [
                  `epoch ${record.epoch} of ${epochs}: loss ${record.loss.toFixed(4)}`,
                  ...shares,
                  `${record.seconds.toFixed(1)} s`,
                ]
                  .filter(Boolean)
                  .join(', '),
              );
            }
          },
        });
        await run.write('model.onnx', writeModelFile(trained.model));
        await run.write('last.onnx', writeModelFile(trained.last));
        await run.update({ finishedAt: new Date().toISOString() });
        return { model: run.path('model.onnx'), bestEpoch: trained.bestEpoch, history: trained.history };
      });
      await report(terminal, options, result, [`Epoch ${result.bestEpoch} is kept: ${result.model}`]);
    }),
  );
}
