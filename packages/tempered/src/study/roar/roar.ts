/** @file The study of ROAR and KAR from end to end: models, maps, occluded data sets, retraining, scores, report. Node only. */
import { readFile } from 'node:fs/promises';
import type { Dataset } from '../../data/dataset.ts';
import { loadDataset } from '../../data/node/load.ts';
import { UsageError } from '../../errors.ts';
import { checkPercentiles } from '../../evaluation/roar/bands.ts';
import type { Work } from '../../progress.ts';
import { renderRoarReport, roarFigures } from '../../report/roar-report.ts';
import type { RoarResult } from '../../report/roar-result.ts';
import { hashBytes, hashDataset } from '../../runs/hash.ts';
import { definedSettings, type Json } from '../../runs/manifest.ts';
import { openRun, type Run } from '../../runs/run.ts';
import { versions } from '../../runtime/node/versions.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { protocolResult } from './assemble.ts';
import { claimsOf } from './claims.ts';
import type { RoarConfiguration } from './configuration.ts';
import type { RoarContext } from './context.ts';
import { inParallel } from './in-parallel.ts';
import { writeBands, writeRandomBands } from './maps.ts';
import { modelPlans, trainAndMeasure } from './models.ts';
import { protocolOf } from './protocol.ts';
import { fillOf, retrain, retrainings } from './retraining.ts';
import { makeSamples } from './samples.ts';

export interface RoarStudyOptions extends Work {
  /** One training runs on each at a time. Engines of one thread give the same results however many there are. */
  runtimes: readonly Runtime[];
  configuration: RoarConfiguration;
  /** Run folder; an unfinished study of the same configuration in it goes on where it was. */
  folder: string;
  /** Where the data set's files are. Default: the cache folder. */
  dataDir?: string;
  /** The data, instead of loading what the configuration names. */
  sets?: { readonly train: Dataset; readonly test: Dataset };
}

/**
 * Trains models of rising robustness, removes from the data set what each looks at (ROAR), or all else (KAR), trains anew,
 * and holds what is lost against the models' robustness. Kim, Seo & Jeon 2019, §4; Hooker et al. 2019. Writes models, maps
 * as bands, a record of every training, tables, figures, `roar.json` and `report.html`.
 *
 * @throws UsageError for a configuration that cannot be carried out, or a folder that holds another run; DataError when data
 *   are missing
 * @example
 * const runtimes = [await createNodeRuntime({ threads: 1 }), await createNodeRuntime({ threads: 1 })];
 * const { report } = await runRoarStudy({ runtimes, configuration: roarConfiguration('shapes'), folder: 'runs/roar' });
 */
export async function runRoarStudy(options: RoarStudyOptions): Promise<{ result: RoarResult; report: string }> {
  const { runtimes, configuration, folder, signal, onProgress } = options;
  check(configuration, runtimes);
  const sets = options.sets ?? (await loadSets(options));
  const run = await openRun(folder, {
    manifest: {
      command: 'roar',
      configuration: settingsOf(configuration),
      seeds: { roar: configuration.seed },
      versions: versions(),
      device: runtimes[0]!.description,
      dataHashes: { train: hashDataset(sets.train), test: hashDataset(sets.test) },
    },
  });
  const fill = fillOf({ sets });
  const context: RoarContext & { fill: readonly number[] } = { run, configuration, sets, fill, signal };
  const stage = (name: string, total: number) => (done: number) => onProgress?.({ stage: name, done, total });

  const plans = modelPlans(configuration);
  const models = await inParallel(
    runtimes,
    plans,
    (plan, runtime) => trainAndMeasure(context, plan, runtime),
    stage('train models', plans.length),
  );
  if (configuration.protocols.includes('repaired')) await writeRandomBands(context);
  const unranked = await inParallel(
    runtimes,
    plans,
    ({ name }, runtime) => writeBands(context, name, runtime),
    stage('explain', plans.length),
  );
  const todo = retrainings(configuration);
  const accuracies = await inParallel(
    runtimes,
    todo,
    (each, runtime) => retrain(context, each, runtime),
    stage('retrain', todo.length),
  );
  const samples = await makeSamples(context, runtimes[0]!);

  const retrained = todo.map((retraining, i) => ({ retraining, accuracy: accuracies[i]! }));
  const classes = sets.train.classes.length;
  const protocols = configuration.protocols.map((name) =>
    protocolResult(configuration, name, { models, retrained, classes }),
  );
  const result: RoarResult = {
    title: `Does robustness make gradients more faithful? ROAR and KAR on ${sets.train.name}`,
    dataset: {
      name: sets.train.name,
      note: sets.train.note ?? '',
      classes: sets.train.classes,
      shape: sets.train.imageShape,
      trainCount: sets.train.count,
      testCount: sets.test.count,
    },
    seed: configuration.seed,
    trainings: todo.length,
    epochs: { models: configuration.modelEpochs, retrained: configuration.training.epochs },
    models,
    unranked: unranked.flat(),
    protocols,
    claims: protocols.flatMap((protocol) => configuration.losses.flatMap((loss) => claimsOf(protocol, loss))),
    samples,
    protocol: protocolOf(configuration, fill),
    versions: { ...versions(), device: runtimes[0]!.description },
  };
  await writeResults(run, result);
  return { result, report: run.path('report.html') };
}

function check(
  { percentiles, strengths, methods, protocols, losses }: RoarConfiguration,
  runtimes: readonly Runtime[],
) {
  try {
    checkPercentiles(percentiles);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  for (const [norm, radii] of Object.entries(strengths))
    if (radii.some((radius, i) => !(radius > (radii[i - 1] ?? 0))))
      throw new UsageError(`the strengths of ${norm} must rise from above 0, not ${radii.join(', ')}`);
  if (Object.values(strengths).every((radii) => radii.length === 0))
    throw new UsageError('a study of ROAR compares models of rising strength: give strengths of l2 or of linf');
  for (const [what, list] of Object.entries({ methods, protocols, losses, runtimes }))
    if (list.length === 0) throw new UsageError(`a study of ROAR needs one of its ${what}, and has none`);
}

async function loadSets({ configuration, dataDir, signal, onProgress }: RoarStudyOptions) {
  const { data, size, trainCount, testCount, seed } = configuration;
  const load = (split: 'train' | 'test', count: number | undefined): Promise<Dataset> => {
    onProgress?.({ stage: `load ${data}`, done: 0, total: 1 });
    return loadDataset({ name: data, split, dataDir, size, count, seed, signal });
  };
  return { train: await load('train', trainCount), test: await load('test', testCount) };
}

/** Settings as a manifest compares them: the seed has a place of its own. */
function settingsOf({ seed: _seed, ...settings }: RoarConfiguration): Record<string, Json> {
  const plain: Record<string, Json> = JSON.parse(JSON.stringify(settings));
  return definedSettings(plain);
}

async function writeResults(run: Run, result: RoarResult): Promise<void> {
  await run.writeTable(
    'models',
    result.models.map((model) => ({ ...model })),
  );
  await run.writeTable(
    'accuracies',
    result.protocols.flatMap(({ name: protocol, accuracies }) =>
      accuracies.flatMap(({ values, ...point }) =>
        values.map((accuracy, i) => ({ protocol, ...point, repetition: i + 1, accuracy })),
      ),
    ),
  );
  await run.writeTable(
    'scores',
    result.protocols.flatMap(({ name: protocol, scores }) =>
      scores.map(({ byRepetition: _each, ...score }) => ({ protocol, ...score })),
    ),
  );
  await run.writeTable(
    'correlations',
    result.protocols.flatMap(({ name: protocol, series }) =>
      series.map(({ models: _models, x: _x, y: _y, interval, ...found }) => ({
        protocol,
        ...found,
        lower: interval?.lower,
        upper: interval?.upper,
      })),
    ),
  );
  for (const { name, svg } of roarFigures(result)) await run.write(`figures/${name}.svg`, svg);
  await run.write('roar.json', `${JSON.stringify(result, undefined, 1)}\n`);
  await run.write('report.html', renderRoarReport(result));
  const modelHashes: Record<string, string> = {};
  for (const { name } of result.models) {
    const file = `models/${name}.onnx`;
    modelHashes[file] = hashBytes(await readFile(run.path(file)));
  }
  await run.update({ modelHashes, finishedAt: new Date().toISOString() });
}
