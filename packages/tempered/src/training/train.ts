import { TrainingError } from '../errors.ts';
import { Classifier } from '../models/classifier.ts';
import { type Adversary, compileAdversary } from './adversary.ts';
import { type Checkpoint, download, type EpochRecord, type Weights } from './checkpoint.ts';
import type { Finding } from './detection.ts';
import { trainEpoch } from './epoch.ts';
import { findingsOf } from './findings.ts';
import { measure } from './measure.ts';
import { standard } from './method.ts';
import { sgd } from './optimizer.ts';
import { checkTrainOptions, selectionOf, type TrainOptions, type TrainResult } from './options.ts';
import { selectionScore } from './selection.ts';
import { singleStepBall } from './single-step.ts';
import { compileTrainingStep, type TrainingStep } from './step-program.ts';
import { carriedShapes, createTrainingState, releaseTrainingState } from './training-state.ts';
import { finite, restore, withWeights } from './weights.ts';

/**
 * Trains a classifier. Loss, gradients and update are one compiled graph; weights stay with the engine. The result
 * depends only on the options and the device: a training that was stopped and resumed ends with the same weights. When
 * the loss stops being a number the training ends, with what the epochs before gave.
 *
 * @throws UsageError when data set and model do not fit; TrainingError when the loss is no number in the first epoch
 * @example
 * const { model } = await train({ runtime, model: createModel({ ... }), dataset: shapes({ split: 'train' }), epochs: 5 });
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { runtime, model, optimizer = sgd(), batchSize = 100, checkpoints, epochs, method = standard() } = options;
  const { dataset, averaging, clipping, labelSmoothing, validation } = options;
  checkTrainOptions(options);
  const carried = carriedShapes(method, model, batchSize);
  const state = await createTrainingState(runtime, model, optimizer, carried, averaging !== undefined);
  const validated = new Classifier(model, runtime, averaging ? state.average : state.parameters);
  const ball = singleStepBall(method);
  const watched = ball && { classifier: new Classifier(model, runtime, state.parameters), ball };
  let step: TrainingStep | undefined;
  let adversary: Adversary | undefined;
  try {
    const resumed = await checkpoints?.load();
    if (resumed) {
      await restore(runtime, state.parameters, resumed.parameters);
      await restore(runtime, state.optimizer, resumed.optimizer);
      await restore(runtime, state.carried, resumed.carried ?? {});
      await restore(runtime, state.average, resumed.average ?? {});
    }
    const rules = { optimizer, method, clipping, labelSmoothing, averaging };
    step = await compileTrainingStep(runtime, model, { ...rules, batchSize, state });
    const { inner } = method;
    adversary = inner && (await compileAdversary(runtime, model, { inner, batchSize, state }));
    const history: EpochRecord[] = [...(resumed?.history ?? [])];
    let best: Checkpoint['best'] | undefined = resumed?.best;
    let reached: Weights = resumed ? ((averaging && resumed.average) ?? resumed.parameters) : {};
    let findings: readonly Finding[] = [];
    const tell = (found: readonly Finding[]) => {
      for (const finding of found)
        if (!findings.some(({ name }) => name === finding.name)) options.onFinding?.(finding);
      findings = found;
    };
    const watch = (): Finding[] =>
      findingsOf(history, {
        epochs,
        classes: model.classes.length,
        trainingImages: dataset.count,
        validationImages: validation?.dataset.count ?? 0,
      });
    tell(watch());
    for (let epoch = history.length; epoch < epochs; epoch++) {
      const started = performance.now();
      const parts = { epoch, step, adversary, previous: history.at(-1) };
      const trained = await trainEpoch({ ...options, batchSize, method }, parts)
        .then(async (fed) => {
          const parameters = finite(await download(state.parameters), epoch + 1);
          const measured = await measure({ validated, watched }, options, epoch + 1);
          return { parameters, figures: { ...fed, ...measured } };
        })
        .catch((error: unknown) => {
          // Before the first epoch is done, there is nothing to keep.
          if (!(error instanceof TrainingError) || best === undefined) throw error;
          tell([...findings, { name: 'not-a-number', epoch: epoch + 1, message: error.message }]);
        });
      if (trained === undefined) break;
      const { figures, parameters } = trained;
      const seconds = (performance.now() - started) / 1000;
      const record: EpochRecord = { epoch: epoch + 1, ...figures, seconds };
      history.push(record);
      const score = selectionScore(record, selectionOf(options));
      const average = averaging && (await download(state.average));
      reached = average ?? parameters;
      if (best === undefined || score >= best.score) best = { epoch: epoch + 1, score, parameters: reached };
      // Before the checkpoint: when the process is killed between the two, the epoch is done and told again, not lost.
      await options.onEpoch?.(record);
      tell(watch());
      await checkpoints?.save({
        epoch: epoch + 1,
        parameters,
        optimizer: await download(state.optimizer),
        carried: await download(state.carried),
        ...(average && { average }),
        best,
        history,
      });
    }
    const last = withWeights(model, reached);
    return { model: withWeights(model, best?.parameters ?? {}), bestEpoch: best?.epoch ?? 0, last, history, findings };
  } finally {
    step?.release();
    adversary?.release();
    await validated.release();
    await watched?.classifier.release();
    releaseTrainingState(state);
  }
}
