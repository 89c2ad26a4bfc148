/** @file The main job from end to end: train a standard and a robust classifier, attack, explain and measure both, report. Node only. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Dataset, first } from '../data/dataset.ts';
import { loadDataset } from '../data/node/load.ts';
import type { Work } from '../progress.ts';
import { epsilon as formatEpsilon, norm as formatNorm } from '../report/format.ts';
import { renderStudyReport } from '../report/study-report.ts';
import type { ModelResult, StudyResult } from '../report/study-result.ts';
import type { Json } from '../runs/manifest.ts';
import { openRun, type Run } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StudyConfiguration } from './configuration.ts';
import type { StudyContext } from './context.ts';
import { type ModelMeasures, measureModel, objectShare } from './measures.ts';
import { type TrainedModel, trainModel } from './models.ts';
import { AMPLIFY, chooseExamples, makeExamples, makeLargeEpsilon, makeTraversal } from './pictures.ts';

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
      configuration: { ...configuration } as unknown as Record<string, Json>,
      seeds: { study: configuration.seed },
      versions: versions(),
      device: runtime.description,
      dataHashes: Object.fromEntries(Object.entries(sets).map(([split, set]) => [split, hashOf(set)])),
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

/** SHA-256 of a data set's pixels and labels. */
function hashOf(dataset: Dataset): string {
  const hash = createHash('sha256');
  const step = 1000;
  for (let start = 0; start < dataset.count; start += step) {
    const count = Math.min(step, dataset.count - start);
    const { images, labels } = dataset.batch(Uint32Array.from({ length: count }, (_, i) => start + i));
    hash.update(images.data).update(labels);
  }
  return hash.digest('hex');
}

function assemble(
  { configuration, runtime }: StudyContext,
  { train, test, conflict }: Sets,
  trained: Record<'standard' | 'robust', TrainedModel>,
  measures: Record<'standard' | 'robust', ModelMeasures>,
  shown: Pick<StudyResult, 'examples' | 'largeEpsilon' | 'traversal'>,
): StudyResult {
  const { trainingEpsilon, norm, trainingSteps, evaluationSteps, preset, seed, explainedCount } = configuration;
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
    protocol: protocolOf(configuration, trained, { radius, masked: test.masks !== undefined }),
    versions: { ...versions(), device: runtime.description },
  };
}

const SHAPES_NOTE =
  'Silhouettes on textured ground, generated from a seed. A faint grating, different for each class, agrees with the label in 90% of the images: a feature that predicts well and that an attack of its own amplitude (4/255) erases. In the conflict split the grating tells nothing.';

function noteOf(train: Dataset, conflict: Dataset | undefined): string {
  if (conflict) return SHAPES_NOTE;
  return train.note ? `${train.note[0]!.toUpperCase()}${train.note.slice(1)}.` : '';
}

function protocolOf(
  configuration: StudyConfiguration,
  trained: Record<'standard' | 'robust', TrainedModel>,
  { radius, masked }: { radius: string; masked: boolean },
): StudyResult['protocol'] {
  const { architecture, epochs, batchSize, learningRate, padding, flip, trainingSteps, warmup } = configuration;
  const { evaluationSteps, attackedCount, explainedCount, samples, sigma, pathSteps, validationCount, seed } =
    configuration;
  const augmentation = [padding > 0 && `crops with ${padding} pixels of padding`, flip && 'flips']
    .filter(Boolean)
    .join(', ');
  return [
    { name: 'Architecture', value: `${architecture}, the same initial weights for both models` },
    {
      name: 'Training',
      value: `${epochs} epochs in batches of ${batchSize}, Adam, rate ${learningRate} falling along a cosine, ${augmentation || 'no augmentation'}`,
    },
    {
      name: 'Adversarial training',
      value: `every batch replaced by PGD-${trainingSteps} examples, random start, ${radius}, growing from 0 over the first ${Math.round(100 * warmup)}% of the training`,
    },
    {
      name: 'Model choice',
      value: `best of the epochs on ${validationCount} held-out training images, by natural accuracy (standard: epoch ${trained.standard.bestEpoch}) or the mean of natural and PGD-10 accuracy (robust: epoch ${trained.robust.bestEpoch})`,
    },
    {
      name: 'Accuracy under attack',
      value: `PGD-${evaluationSteps}, cross-entropy, step 2.5 ε / ${evaluationSteps}, one random start, last iterate, first ${attackedCount} test images in file order; images that are wrong without attack count as wrong; 95% Clopper–Pearson intervals`,
    },
    {
      name: 'Explanations',
      value: `of the true class's logit: gradient; SmoothGrad with ${samples} samples, σ = ${sigma} of the image's range; integrated gradients from black, ${pathSteps} midpoints`,
    },
    ...(masked
      ? [
          {
            name: 'Relevance mass, pointing game',
            value: `sum over channels of |attribution|, first ${explainedCount} test images; mass with a normal 95% interval of the mean`,
          },
        ]
      : []),
    { name: 'Seed', value: String(seed) },
  ];
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
    modelHashes[`models/${name}.onnx`] = createHash('sha256').update(bytes).digest('hex');
  }
  await run.update({ modelHashes, finishedAt: new Date().toISOString() });
}
