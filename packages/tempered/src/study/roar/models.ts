/** @file The models that a study of ROAR and KAR explains: one trained in the standard way, and one for each norm, loss and radius. */
import { readFile } from 'node:fs/promises';
import { pgd } from '../../attacks/pgd.ts';
import type { Dataset } from '../../data/dataset.ts';
import { DataError } from '../../errors.ts';
import { accuracyUnderAttack, naturalAccuracy } from '../../evaluation/accuracy.ts';
import { createModel } from '../../models/architectures/index.ts';
import { Classifier } from '../../models/classifier.ts';
import { readModel, writeModelFile } from '../../models/load.ts';
import { ROAR_NORMS, type RoarLoss, type RoarModel, type RoarNorm } from '../../report/roar-result.ts';
import { hashBytes } from '../../runs/hash.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { adversarial, standard, type TrainingMethod } from '../../training/method.ts';
import { adam } from '../../training/optimizer.ts';
import { constant, cosine } from '../../training/schedule.ts';
import { train } from '../../training/train.ts';
import type { RoarConfiguration } from './configuration.ts';
import type { RoarContext } from './context.ts';

/** One of the models, by what tells it from the others. */
export interface ModelPlan {
  /** As in names of files: `standard`, `l2-xent-3`. */
  readonly name: string;
  /** Undefined for the standard model. */
  readonly attack?: { readonly norm: RoarNorm; readonly loss: RoarLoss; readonly epsilon: number };
  /** The radius as a share of the largest one of its norm; 0 for the standard model. */
  readonly strength: number;
}

/** The standard model comes first. */
export function modelPlans({ strengths, losses }: RoarConfiguration): ModelPlan[] {
  const attacked = losses.flatMap((loss) =>
    ROAR_NORMS.flatMap((norm) =>
      strengths[norm].map((epsilon, i) => ({
        name: `${norm}-${loss}-${i + 1}`,
        attack: { norm, loss, epsilon },
        strength: epsilon / Math.max(...strengths[norm]),
      })),
    ),
  );
  return [{ name: 'standard', strength: 0 }, ...attacked];
}

/** How a model is trained. The `cw` attack raises −relu(f_y − max_k (1 − y_k) f_k + 500), whose rival is never below 0. */
export function methodOf({ attack }: ModelPlan, { adversarial: how }: RoarConfiguration): TrainingMethod {
  if (attack === undefined) return standard();
  const { norm, loss, epsilon } = attack;
  return adversarial({
    attack: pgd({
      norm,
      steps: how.steps,
      stepSize: how.stepSize[norm],
      randomStart: how.randomStart,
      projection: 'ball-then-box',
    }),
    epsilon,
    warmup: how.warmup,
    ...(loss === 'cw' && { objective: [{ name: 'margin', at: 'adversarial', confidence: 500, rival: 'other or 0' }] }),
  });
}

/**
 * Trains one model in file order and measures it, or reads what an earlier start of the run found.
 *
 * @throws DataError when the file of the model was replaced since
 */
export async function trainAndMeasure(
  { run, configuration, sets, signal }: RoarContext,
  plan: ModelPlan,
  runtime: Runtime,
): Promise<RoarModel> {
  const { architecture, modelEpochs, evaluation, seed } = configuration;
  const { name, attack, strength } = plan;
  const file = `models/${name}.onnx`;
  const { sha256, ...measured } = await run.step<RoarModel & { sha256?: string }>(
    `model-${name}`,
    async () => {
      const { last } = await train({
        ...trainingOf(configuration, sets.train),
        runtime,
        model: createModel({
          architecture,
          inputShape: sets.train.imageShape,
          classes: sets.train.classes,
          seed,
          name,
        }),
        method: methodOf(plan, configuration),
        epochs: modelEpochs,
        shuffle: false,
        seed,
        signal,
      });
      const bytes = writeModelFile(last);
      await run.write(file, bytes);
      // As it will be read again: what is measured is what the file holds.
      const classifier = new Classifier(readModel(bytes, { name }), runtime);
      try {
        const { epsilon, steps, stepSize } = evaluation;
        const [underAttack] = await accuracyUnderAttack(classifier, {
          dataset: sets.test,
          attack: pgd({ norm: 'l2', steps, stepSize, randomStart: false, projection: 'ball-then-box' }),
          epsilons: [epsilon],
          seed,
          signal,
        });
        return {
          name,
          ...(attack && { norm: attack.norm, loss: attack.loss }),
          epsilon: attack?.epsilon ?? 0,
          strength,
          trainAccuracy: (await naturalAccuracy(classifier, sets.train, { signal })).accuracy,
          testAccuracy: (await naturalAccuracy(classifier, sets.test, { signal })).accuracy,
          adversarialAccuracy: underAttack!.accuracy,
          sha256: hashBytes(bytes),
        };
      } finally {
        await classifier.release();
      }
    },
    { files: [file] },
  );
  // Records of earlier versions have none.
  if (sha256 !== undefined && sha256 !== hashBytes(await readFile(run.path(file))))
    throw new DataError(`${run.path(file)} is not the model that this run trained: delete it to train it again`);
  return measured;
}

/** A trained model, for as long as `work` takes. */
export async function withModel<T>(
  { run }: Pick<RoarContext, 'run'>,
  name: string,
  runtime: Runtime,
  work: (classifier: Classifier) => Promise<T>,
): Promise<T> {
  const bytes = await readFile(run.path('models', `${name}.onnx`));
  const classifier = new Classifier(readModel(bytes, { name }), runtime);
  try {
    return await work(classifier);
  } finally {
    await classifier.release();
  }
}

/** What all trainings of a study have in common. */
export function trainingOf({ training }: RoarConfiguration, dataset: Dataset) {
  const { batchSize, learningRate, schedule } = training;
  return {
    dataset,
    optimizer: adam(),
    batchSize,
    learningRate,
    schedule: schedule === 'constant' ? constant() : cosine(),
  };
}
