/** @file The two models of a study: trained under the same seed, schedule and budget, or taken from an earlier start. */
import { readFile } from 'node:fs/promises';
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, subset } from '../data/dataset.ts';
import { createModel } from '../models/architectures/index.ts';
import { Classifier } from '../models/classifier.ts';
import { readModel, writeModelFile } from '../models/load.ts';
import type { ModelName } from '../report/study-result.ts';
import { checkpointFile } from '../runs/checkpoint-file.ts';
import type { EpochRecord } from '../training/checkpoint.ts';
import { adversarial, standard, type TrainingMethod } from '../training/method.ts';
import { adam } from '../training/optimizer.ts';
import { cosine } from '../training/schedule.ts';
import { train } from '../training/train.ts';
import type { StudyConfiguration } from './configuration.ts';
import type { StudyContext } from './context.ts';

export interface TrainedModel {
  readonly classifier: Classifier;
  readonly history: readonly EpochRecord[];
  readonly parameterCount: number;
  readonly bestEpoch: number;
  /** Training images that were kept apart to choose the epoch. */
  readonly heldCount: number;
}

/** Trains one model, or reads it when an earlier start of the run has finished it. */
export async function trainModel(context: StudyContext, name: ModelName, trainSet: Dataset): Promise<TrainedModel> {
  const { run, runtime, configuration, signal } = context;
  const { epochs, learningRate, batchSize, padding, flip, seed, trainingEpsilon, norm } = configuration;
  const [training, validation] = holdOut(trainSet, configuration);
  const file = `models/${name}.onnx`;
  const summary = await run.step(
    `train-${name}`,
    async () => {
      const checkpoints = checkpointFile(run.path('checkpoints', `${name}.npz`));
      const { model, history, bestEpoch } = await train({
        runtime,
        model: createModel({
          architecture: configuration.architecture,
          inputShape: trainSet.imageShape,
          classes: trainSet.classes,
          seed,
          name,
        }),
        dataset: training,
        method: methodOf(name, configuration),
        optimizer: adam(),
        learningRate,
        schedule: cosine(),
        epochs,
        batchSize,
        seed,
        augmentation: padding > 0 || flip ? { padding, flip } : undefined,
        validation: { dataset: validation, attack: pgd({ norm, steps: 10 }), epsilon: trainingEpsilon },
        checkpoints,
        signal,
        onProgress: (progress) => context.onProgress?.({ ...progress, stage: `train ${name}, ${progress.stage}` }),
        onEpoch: (record) => run.appendMetric({ model: name, ...record }),
      });
      await run.write(file, writeModelFile(model));
      await checkpoints.remove();
      const parameterCount = [...model.graph.initializers.values()].reduce((sum, { data }) => sum + data.length, 0);
      return { history, bestEpoch, parameterCount };
    },
    { files: [file] },
  );
  const bytes = await readFile(run.path(file));
  return { classifier: new Classifier(readModel(bytes, { name }), runtime), ...summary, heldCount: validation.count };
}

export function methodOf(
  name: ModelName,
  { trainingSteps, trainingEpsilon, warmup, norm }: StudyConfiguration,
): TrainingMethod {
  if (name === 'standard') return standard();
  return adversarial({ attack: pgd({ norm, steps: trainingSteps }), epsilon: trainingEpsilon, warmup });
}

/** The last images of the training set are kept apart, to choose the best epoch. */
function holdOut(dataset: Dataset, { validationCount }: StudyConfiguration): [Dataset, Dataset] {
  const held = Math.min(validationCount, Math.floor(dataset.count / 5));
  const cut = dataset.count - held;
  const range = (start: number, end: number) => Uint32Array.from({ length: end - start }, (_, i) => start + i);
  return [subset(dataset, range(0, cut)), subset(dataset, range(cut, dataset.count))];
}
