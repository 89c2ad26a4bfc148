import { Command, Option } from 'commander';
import { pgd } from '../attacks/pgd.ts';
import { first, subset } from '../data/dataset.ts';
import { loadDataset } from '../data/node/load.ts';
import { type ArchitectureName, architectures, createModel } from '../models/architectures/index.ts';
import { writeModelFile } from '../models/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { epsilon as formatEpsilon, percent } from '../report/format.ts';
import { checkpointFile } from '../runs/checkpoint-file.ts';
import { hashBytes, hashDataset } from '../runs/hash.ts';
import { definedSettings } from '../runs/manifest.ts';
import { openRun } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import { adversarial, standard } from '../training/method.ts';
import { adam, sgd } from '../training/optimizer.ts';
import { constant, cosine, multiStep } from '../training/schedule.ts';
import { checkTrainOptions, type TrainOptions, train } from '../training/train.ts';
import {
  type CommonOptions,
  nonNegative,
  normOption,
  noteIgnored,
  noteSizeOf,
  positiveInteger,
  wholeNumber,
  withCommonOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
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
    .summary('train a classifier, standard or robust')
    .description('train a classifier, in the standard way or on adversarial examples')
    .option('--data <NAME>', 'shapes (default), mnist, fashion-mnist, cifar10, FOLDER', 'shapes')
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
      new Option('--epsilon <E>', 'ε of adversarial training').argParser(nonNegative).default(8 / 255, '8/255'),
    )
    .option('--steps <K>', 'PGD steps of adversarial training', positiveInteger, 7)
    .option('--warmup <F>', 'share of the training over which ε grows', nonNegative, 0.3)
    .option('--validation <N>', 'images that choose the best epoch', wholeNumber, 500)
    .requiredOption('--out <DIR>', 'run folder: model.onnx, last.onnx, metrics.jsonl')
    .addHelpText('after', '\nStopped at any moment, the same command goes on after the last finished epoch.');
  return withCommonOptions(command).action((options: TrainCommandOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteSizeOf(command, options.data);
      if (options.method === 'standard') noteIgnored(command, ['steps', 'warmup'], 'with --method standard');
      const { print, signal, onProgress } = terminal;
      const { data, dataDir, count, size, seed, epochs, epsilon, norm, out } = options;
      await checkFolder(out);
      await checkFile(options.json);
      const dataset = await loadDataset({ name: data, dataDir, split: 'train', count, size, seed, signal, onProgress });
      const held = Math.min(options.validation, Math.floor(dataset.count / 5));
      const cut = dataset.count - held;
      const result = await withRuntime(options, async (runtime) => {
        const prepared: TrainOptions = {
          runtime,
          model: createModel({
            architecture: options.architecture,
            inputShape: dataset.imageShape,
            classes: dataset.classes,
            seed,
            name: `${options.architecture}-${options.method}`,
          }),
          dataset: first(dataset, cut),
          method:
            options.method === 'standard'
              ? standard()
              : adversarial({ attack: pgd({ norm, steps: options.steps }), epsilon, warmup: options.warmup }),
          optimizer: options.optimizer === 'adam' ? adam(options) : sgd(options),
          learningRate: options.learningRate,
          schedule: { constant, step: multiStep, cosine }[options.schedule](),
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
          signal,
          onProgress,
        };
        checkTrainOptions(prepared);
        const { json: _json, out: _out, threads: _threads, dataDir: _dataDir, seed: _seed, ...configuration } = options;
        const run = await openRun(out, {
          manifest: {
            command: 'train',
            configuration: definedSettings(configuration),
            seeds: { train: seed },
            versions: versions(),
            device: runtime.description,
            dataHashes: { train: hashDataset(dataset) },
          },
        });
        const trained = await train({
          ...prepared,
          checkpoints: checkpointFile(run.path('checkpoint.npz')),
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
        const modelHashes: Record<string, string> = {};
        for (const [file, model] of Object.entries({ 'model.onnx': trained.model, 'last.onnx': trained.last })) {
          const bytes = writeModelFile(model);
          await run.write(file, bytes);
          modelHashes[file] = hashBytes(bytes);
        }
        await run.update({ modelHashes, finishedAt: new Date().toISOString() });
        return { model: run.path('model.onnx'), bestEpoch: trained.bestEpoch, history: trained.history };
      });
      await report(terminal, options, result, [`Epoch ${result.bestEpoch} is kept: ${result.model}`]);
    }),
  );
}
