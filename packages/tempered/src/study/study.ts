/** @file The main job from end to end: train a standard and a robust classifier, attack, explain and measure both, report. Node only. */
import { readFile } from 'node:fs/promises';
import { type Dataset, first } from '../data/dataset.ts';
import { loadDataset } from '../data/node/load.ts';
import type { Work } from '../progress.ts';
import { epsilon as formatEpsilon, norm as formatNorm } from '../report/format.ts';
import { renderStudyReport } from '../report/study-report.ts';
import type { ModelResult, StudyResult } from '../report/study-result.ts';
import { hashBytes, hashDataset } from '../runs/hash.ts';
import { definedSettings } from '../runs/manifest.ts';
import { openRun, type Run } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StudyConfiguration } from './configuration.ts';
import type { StudyContext } from './context.ts';
import { type ModelMeasures, measureModel, objectShare } from './measures.ts';
import { type TrainedModel, trainModel } from './models.ts';
import { AMPLIFY, chooseExamples, makeExamples, makeLargeEpsilon, makeTraversal } from './pictures.ts';
import { protocolOf } from './protocol.ts';

export interface StudyOptions extends Work {
  runtime: Runtime;
  configuration: StudyConfiguration;
  /** Run folder; an unfinished study of the same configuration in it goes on where it was. */
  folder: string;
  /** Where the data set's files are. Default: the cache folder. */
  dataDir?: string;
}

/**
 * Runs a study and writes its folder: models, metrics, images, tables, `study.json` and `report.html`.
 *
 * @throws UsageError when the folder holds another run; DataError when data are missing
 * @example
 * const runtime = await createNodeRuntime();
 * const { report } = await runStudy({ runtime, configuration: studyConfiguration('shapes', 'quick'), folder: 'runs/shapes' });
 */
export async function runStudy(options: StudyOptions): Promise<{ result: StudyResult; report: string }> {
  const { runtime, configuration, folder, signal, onProgress } = options;
  const sets = await loadSets(options);
  const run = await openRun(folder, {
    manifest: {
      command: 'study',
      configuration: definedSettings({ ...configuration }),
      seeds: { study: configuration.seed },
      versions: versions(),
      device: runtime.description,
      dataHashes: Object.fromEntries(Object.entries(sets).map(([split, set]) => [split, hashDataset(set)])),
    },
  });
  const context: StudyContext = { run, runtime, configuration, signal, onProgress };
  const trained = {
    standard: await trainModel(context, 'standard', sets.train),
    robust: await trainModel(context, 'robust', sets.train),
  };
  const measures = {
    standard: await measureModel(context, 'standard', trained.standard, sets),
    robust: await measureModel(context, 'robust', trained.robust, sets),
  };
  const classifiers = { standard: trained.standard.classifier, robust: trained.robust.classifier };
  const shown = await run.step('pictures', async () => {
    onProgress?.({ stage: 'draw', done: 0, total: 3 });
    const chosen = await chooseExamples(context, classifiers, sets.test);
    const examples = await makeExamples(context, classifiers, sets.test, chosen);
    onProgress?.({ stage: 'draw', done: 1, total: 3 });
    if (chosen.length === 0) return { examples };
    const largeEpsilon = await makeLargeEpsilon(context, classifiers, sets.test, chosen);
    onProgress?.({ stage: 'draw', done: 2, total: 3 });
    const traversal = await makeTraversal(context, classifiers, sets.test, chosen[0]!);
    onProgress?.({ stage: 'draw', done: 3, total: 3 });
    return { examples, largeEpsilon, traversal };
  });
  const result = assemble(context, sets, trained, measures, shown);
  await writeResults(run, result);
  return { result, report: run.path('report.html') };
}

interface Sets {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Test images whose planted non-robust feature disagrees with the label; only `shapes` has one. */
  readonly conflict?: Dataset;
}

async function loadSets({ configuration, dataDir, signal, onProgress }: StudyOptions): Promise<Sets> {
  const { data, size, trainCount, seed } = configuration;
  onProgress?.({ stage: `load ${data}`, done: 0, total: 1 });
  const load = (split: 'train' | 'test' | 'conflict') =>
    loadDataset({ name: data, split, dataDir, size, seed, signal });
  const train = await load('train');
  const test = await load('test');
  onProgress?.({ stage: `load ${data}`, done: 1, total: 1 });
  return {
    train: trainCount === undefined ? train : first(train, trainCount),
    test,
    ...(data === 'shapes' && { conflict: await load('conflict') }),
  };
}

function assemble(
  { configuration, runtime }: StudyContext,
  { train, test, conflict }: Sets,
  trained: Record<'standard' | 'robust', TrainedModel>,
  measures: Record<'standard' | 'robust', ModelMeasures>,
  shown: Pick<StudyResult, 'examples' | 'largeEpsilon' | 'traversal'>,
): StudyResult {
  const { trainingEpsilon, norm, trainingSteps, evaluationSteps, preset, seed } = configuration;
  const explainedCount = Math.min(configuration.explainedCount, test.count);
  const model = (name: 'standard' | 'robust', description: string): ModelResult => ({
    description,
    parameterCount: trained[name].parameterCount,
    history: trained[name].history,
    ...measures[name],
  });
  const radius = `${formatNorm(norm)} ε = ${formatEpsilon(trainingEpsilon)}`;
  return {
    title: `Standard and robust on ${train.name}`,
    dataset: {
      name: train.name,
      note: noteOf(train, conflict),
      classes: train.classes,
      shape: train.imageShape,
      trainCount: train.count,
      testCount: test.count,
      objectShare: objectShare(test, explainedCount),
    },
    preset,
    seed,
    attack: { name: `PGD-${evaluationSteps}`, norm, trainingEpsilon },
    models: {
      standard: model('standard', 'standard training'),
      robust: model('robust', `PGD-${trainingSteps} adversarial training at ${radius}`),
    },
    exampleAttack: { epsilon: trainingEpsilon, amplify: AMPLIFY },
    ...shown,
    protocol: protocolOf(configuration, {
      radius,
      heldCount: trained.standard.heldCount,
      bestEpochs: { standard: trained.standard.bestEpoch, robust: trained.robust.bestEpoch },
      attackedCount: measures.standard.underAttack[0]?.count ?? 0,
      explainedCount,
      masked: test.masks !== undefined,
    }),
    versions: { ...versions(), device: runtime.description },
  };
}

function noteOf(train: Dataset, conflict: Dataset | undefined): string {
  if (conflict) {
    return `Silhouettes on textured ground under a faint grating for each class, generated from a seed: a ${train.note}. Such a feature predicts well, and an attack of its own amplitude erases it. In the conflict split the grating tells nothing.`;
  }
  return train.note ? `${train.note[0]!.toUpperCase()}${train.note.slice(1)}.` : '';
}

/** Everything but the pictures also goes to tables and JSON; the manifest is closed last. */
async function writeResults(run: Run, result: StudyResult): Promise<void> {
  const names = ['standard', 'robust'] as const;
  await run.writeTable(
    'accuracy-under-attack',
    names.flatMap((model) => result.models[model].underAttack.map((row) => ({ model, ...row }))),
  );
  await run.writeTable(
    'natural-accuracy',
    names.flatMap((model) => {
      const { natural, conflict } = result.models[model];
      return [{ model, split: 'test', ...natural }, ...(conflict ? [{ model, split: 'conflict', ...conflict }] : [])];
    }),
  );
  await run.writeTable(
    'attributions',
    names.flatMap((model) =>
      result.models[model].attributions.map(({ method, relevanceMass, pointingGame }) => ({
        model,
        method,
        relevanceMass: relevanceMass?.mean,
        relevanceMassLower: relevanceMass?.lower,
        relevanceMassUpper: relevanceMass?.upper,
        pointingGame: pointingGame?.accuracy,
        pointingGameLower: pointingGame?.lower,
        pointingGameUpper: pointingGame?.upper,
      })),
    ),
  );
  await run.writeTable(
    'training',
    names.flatMap((model) => result.models[model].history.map((record) => ({ model, ...record }))),
  );
  await run.write('study.json', `${JSON.stringify(result, undefined, 1)}\n`);
  await run.write('report.html', renderStudyReport(result));
  const modelHashes: Record<string, string> = {};
  for (const name of names) {
    const bytes = await readFile(run.path('models', `${name}.onnx`));
    modelHashes[`models/${name}.onnx`] = hashBytes(bytes);
  }
  await run.update({ modelHashes, finishedAt: new Date().toISOString() });
}
