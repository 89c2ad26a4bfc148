import { Command } from 'commander';
import { loadDataset } from '../data/node/load.ts';
import { writeModelFile } from '../models/load.ts';
import { epsilon as formatEpsilon, percent } from '../report/format.ts';
import { checkpointFile } from '../runs/checkpoint-file.ts';
import { hashBytes, hashDataset } from '../runs/hash.ts';
import { definedSettings, type Json } from '../runs/manifest.ts';
import { openRun, type Run } from '../runs/run.ts';
import { openTrainingLog } from '../runs/training-log.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { EpochRecord } from '../training/checkpoint.ts';
import type { Finding } from '../training/detection.ts';
import { checkTrainOptions, type TrainOptions, type TrainResult } from '../training/options.ts';
import { train } from '../training/train.ts';
import { noteSizeOf, withRuntime } from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { runCommand, type Terminal } from './terminal.ts';
import { configurationFrom, type TrainFlags, withTrainFlags } from './train-flags.ts';
import { withTrainingMetadata } from './train-metadata.ts';
import { ballOf, startingModel, trainingOptions } from './train-plan.ts';
import type { TrainConfiguration } from './train-schema.ts';

/** `tempered train`: one classifier, by any method. */
export function trainCommand(): Command {
  const command = new Command('train')
    .summary('train a classifier, standard or robust')
    .description('train a classifier; every setting can stand in a JSON file, options override it')
    .argument('[CONFIG.json]')
    .addHelpText('after', 'Stopped at any moment, the same command goes on. All settings: docs/training.md');
  return withTrainFlags(command).action((file: string | undefined, flags: TrainFlags, command: Command) =>
    runCommand(async (terminal) => {
      const configuration = await configurationFrom(file, command);
      noteSizeOf(command, configuration.data);
      await checkFolder(flags.out);
      await checkFile(flags.json);
      const result = await withRuntime(flags, (runtime) => trainInto(flags, configuration, runtime, terminal));
      await report(terminal, flags, result, [`Epoch ${result.bestEpoch} is kept: ${result.model}`]);
    }),
  );
}

/** Names of the curves in TensorBoard. */
const TAGS: Readonly<Partial<Record<keyof EpochRecord, string>>> = {
  loss: 'training/loss',
  trainingAccuracy: 'training/accuracy',
  trainingRobustAccuracy: 'training/robust_accuracy',
  learningRate: 'training/learning_rate',
  naturalAccuracy: 'validation/natural_accuracy',
  robustAccuracy: 'validation/robust_accuracy',
  seconds: 'time/seconds_an_epoch',
};

/** Trains in a run folder, a new one or one to go on in. */
async function trainInto(flags: TrainFlags, configuration: TrainConfiguration, runtime: Runtime, terminal: Terminal) {
  const { print, signal, onProgress } = terminal;
  const { data, dataDir, count, size, seed } = configuration;
  const dataset = await loadDataset({ name: data, dataDir, split: 'train', count, size, seed, signal, onProgress });
  const { model, hash, note } = await startingModel(configuration, dataset);
  if (note !== undefined) process.stderr.write(`note: ${note}\n`);
  const prepared: TrainOptions = { ...trainingOptions(configuration, dataset), runtime, model, signal, onProgress };
  checkTrainOptions(prepared);
  const run = await openRun(flags.out, {
    manifest: {
      command: 'train',
      configuration: manifestSettings(configuration),
      seeds: { train: seed },
      versions: versions(),
      device: runtime.description,
      dataHashes: { train: hashDataset(dataset), ...(hash && { init: hash }) },
    },
  });
  const log = await openTrainingLog(run, TAGS);
  const result = await train({
    ...prepared,
    checkpoints: checkpointFile(run.path('checkpoint.npz')),
    onEpoch: async (record) => {
      if (log.rows.length === 0) await run.write('configuration.json', `${JSON.stringify(configuration, null, 2)}\n`);
      await log.append({ ...record, finishedAt: new Date().toISOString() });
      if (flags.json !== true) print(lineOf(record, configuration, prepared.dataset.count));
    },
    onFinding: ({ message }) => {
      // A program that reads the JSON finds it there.
      if (flags.json !== true) print(`warning: ${message}`);
    },
  });
  await writeModels(run, configuration, result);
  return {
    model: run.path('model.onnx'),
    bestEpoch: result.bestEpoch,
    history: result.history,
    findings: result.findings satisfies readonly Finding[],
  };
}

/** Where the data lies changes nothing; the seed has a place of its own in a manifest. */
function manifestSettings({ dataDir: _dataDir, seed: _seed, ...settings }: TrainConfiguration): Record<string, Json> {
  const plain: Record<string, Json> = JSON.parse(JSON.stringify(settings));
  return definedSettings(plain);
}

function lineOf(record: EpochRecord, configuration: TrainConfiguration, images: number): string {
  const { naturalAccuracy, robustAccuracy, trainingRobustAccuracy, seconds } = record;
  const { epsilon } = ballOf(configuration);
  const attack = `PGD-${configuration.validation.steps} at ${formatEpsilon(epsilon)}`;
  return [
    `epoch ${record.epoch} of ${configuration.epochs}: loss ${record.loss.toFixed(4)}`,
    naturalAccuracy !== undefined && `natural ${percent(naturalAccuracy)}`,
    robustAccuracy !== undefined && `${attack} ${percent(robustAccuracy)}`,
    trainingRobustAccuracy !== undefined && `PGD on training images ${percent(trainingRobustAccuracy)}`,
    `${Math.round(images / seconds)} images/s`,
    `${seconds.toFixed(1)} s`,
  ]
    .filter(Boolean)
    .join(', ');
}

async function writeModels(run: Run, configuration: TrainConfiguration, result: TrainResult): Promise<void> {
  const { model, last, bestEpoch, history } = result;
  const modelHashes: Record<string, string> = {};
  for (const [file, trained, record] of [
    ['model.onnx', model, history[bestEpoch - 1]],
    ['last.onnx', last, history.at(-1)],
  ] as const) {
    const bytes = writeModelFile(withTrainingMetadata(trained, configuration, record));
    await run.write(file, bytes);
    modelHashes[file] = hashBytes(bytes);
  }
  await run.update({ modelHashes, finishedAt: new Date().toISOString() });
}
