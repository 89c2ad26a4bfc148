/** @file Explanations of several models by several methods, measured by measures that are put to the test themselves. Node only. */
import type { AttributionMethod } from '../attribution/attribute.ts';
import { methodsFrom, type NamedMethod } from '../attribution/catalogue.ts';
import type { Dataset } from '../data/dataset.ts';
import { naturalAccuracy } from '../evaluation/accuracy.ts';
import { type Control, controlMeasure } from '../evaluation/explanations/control.ts';
import { CONTROL_MODEL_IN_WORDS, controlImages, trainControlModel } from '../evaluation/explanations/control-model.ts';
import { type Lead, leadOver } from '../evaluation/explanations/lead.ts';
import type { ControlKind } from '../evaluation/explanations/measure.ts';
import { kindOf, type NamedMeasure } from '../evaluation/explanations/measures.ts';
import {
  checkMasks,
  type MethodScores,
  type ScoreOptions,
  scoreMethod,
  tryMethods,
} from '../evaluation/explanations/score.ts';
import { fitDataset } from '../evaluation/fit.ts';
import type { Classifier } from '../models/classifier.ts';
import { writeModelFile } from '../models/load.ts';
import { loadClassifier } from '../models/node/load.ts';
import type { Work } from '../progress.ts';
import { figure } from '../report/format.ts';
import { renderScoreReport } from '../report/score-report.ts';
import type { ScoreResult } from '../report/score-result.ts';
import { hashDataset } from '../runs/hash.ts';
import type { Json } from '../runs/manifest.ts';
import { openRun, type Run } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Tensor } from '../tensor.ts';

export interface ScoreRunOptions extends Work {
  models: readonly {
    readonly name: string;
    readonly file: string;
    readonly hash: string;
    readonly classifier: Classifier;
  }[];
  dataset: Dataset;
  /** As it was asked for: names and settings. */
  methods: string;
  measures: readonly NamedMeasure[];
  /** Which class is explained, and what of it. */
  target: NonNullable<ScoreOptions['target']>;
  of: NonNullable<ScoreOptions['of']>;
  /** Pictures on which each measure is put to the test; 0 for none. */
  controls: number;
  seed: number;
  batchSize?: number;
  /** Run folder; an unfinished run of the same configuration in it goes on where it was. */
  folder: string;
  /** The rest of the configuration, for the manifest. */
  configuration: Readonly<Record<string, Json>>;
}

/** What the control of a measure compares where a better score is that of a map that is more right. */
const TRUTHS: readonly ControlKind[] = ['object', 'shares', 'slope'];

/** Images that methods with a background compare with: the first of the data. */
const BACKGROUND = 20;

/**
 * Measures explanations and writes the folder: `report.html`, `score.json`, `tables/`.
 *
 * @throws UsageError when the folder holds another run, data and a model do not fit, a measure needs masks that the data
 *   do not have, or a method refuses the first image
 */
export async function runScore(options: ScoreRunOptions): Promise<{ result: ScoreResult; report: string }> {
  const { models, measures, target, of, controls, seed, batchSize, folder, configuration, signal } = options;
  const dataset = fitDataset(models[0]!.classifier.description, options.dataset);
  checkMasks(dataset, measures);
  const background = dataset.batch(
    Uint32Array.from({ length: Math.min(BACKGROUND, dataset.count) }, (_, i) => i),
  ).images;
  const methods = methodsFrom(options.methods, background);
  for (const { name: model, classifier } of models) {
    const onProgress = staged(options, `try on ${model}, `);
    await tryMethods(classifier, { dataset, methods, target, of, seed, batchSize, signal, onProgress });
  }
  const run = await openRun(folder, {
    manifest: {
      command: 'score',
      configuration: {
        ...configuration,
        methods: methods.map(inWords),
        measures: JSON.parse(JSON.stringify(measures)),
        ...{ target, of, controls },
      },
      seeds: { score: seed },
      versions: versions(),
      device: models[0]!.classifier.runtime.description,
      // Compared when a run is resumed: a file may have been replaced.
      dataHashes: {
        data: hashDataset(dataset),
        ...Object.fromEntries(models.map(({ name, hash }) => [`model ${name}`, hash])),
      },
      modelHashes: Object.fromEntries(models.map(({ file, hash }) => [file, hash])),
    },
  });
  const verdicts = controls > 0 ? await controlAll(run, options) : {};
  const rows: { model: string; found: MethodScores }[] = [];
  for (const [m, { name: model, classifier }] of models.entries())
    for (const [k, method] of methods.entries()) {
      const found = await run.step(`score-${m + 1}-${k + 1}`, () =>
        scoreMethod(classifier, {
          ...{ dataset, method, measures, target, of, seed, batchSize, signal },
          onProgress: staged(options, models.length > 1 ? `${model}, ` : ''),
        }),
      );
      rows.push({ model, found });
    }
  const accuracies = await run.step('accuracy', () =>
    Promise.all(models.map(({ classifier }) => naturalAccuracy(classifier, dataset, { signal }))),
  );
  const randomMaps = methods.find(({ name }) => name === 'random')?.text;
  const overRandom = (model: string, { method }: MethodScores, name: string, values: Scores): Lead | null => {
    const random = rows.find((row) => row.model === model && row.found.method === randomMaps);
    const others = random?.found.scores.find(({ measure }) => measure === name)?.values;
    if (others === undefined || method === randomMaps) return null;
    const { measure } = measures.find(({ text }) => text === name)!;
    return leadOver(numbers(values), numbers(others), { better: kindOf(measure).better(measure), seed });
  };
  const result: ScoreResult = {
    dataset: { name: dataset.name, split: dataset.split, count: dataset.count, note: dataset.note },
    models: models.map(({ name, file }, m) => ({ name, file, accuracy: accuracies[m]! })),
    methods: methods.map((method) => ({
      name: method.text,
      settings: inWords(method),
      ranking: method.ranking,
      scale: method.scale,
    })),
    measures: measures.map(({ text, measure }) => {
      const { summary, better, acrossModels, over, protocol, control: planted } = kindOf(measure);
      const control = verdicts[text];
      return {
        ...{ name: text, summary, over, better: better(measure) },
        ...{ acrossModels: acrossModels(measure), protocol: protocol(measure) },
        ofTruth: TRUTHS.includes(planted(measure)),
        ...(control && { control }),
      };
    }),
    rows: rows.map(({ model, found }) => ({
      model,
      method: found.method,
      ...found.cost,
      seconds: found.seconds,
      scores: found.scores.map(({ values, ...score }) => {
        const lead = overRandom(model, found, score.measure, values);
        return { ...score, ...(lead && { overRandom: lead }) };
      }),
    })),
    protocol: protocolOf(options, dataset),
    versions: { ...versions(), device: models[0]!.classifier.runtime.description },
  };
  await writeResults(run, result, rows);
  return { result, report: run.path('report.html') };
}

type Scores = MethodScores['scores'][number]['values'];

const numbers = (values: Scores): Float64Array => Float64Array.from(values, (value) => value ?? Number.NaN);

const staged = ({ onProgress }: Work, before: string): Work['onProgress'] =>
  onProgress && ((progress) => onProgress({ ...progress, stage: `${before}${progress.stage}` }));

/** Trains the control model, or takes the one that an earlier process trained, and puts every measure to the test. */
async function controlAll(run: Run, options: ScoreRunOptions): Promise<Record<string, Control>> {
  const { models, measures, controls, seed, signal, onProgress } = options;
  const { runtime } = models[0]!.classifier;
  const file = 'models/control.onnx';
  await run.step(
    'control-model',
    async () => {
      const model = await trainControlModel(runtime, { signal, onProgress });
      await run.write(file, writeModelFile(model));
      return {};
    },
    { files: [file] },
  );
  const classifier = await loadClassifier(run.path(file), { runtime });
  const dataset = await controlImages(classifier, controls, { signal });
  const found: Record<string, Control> = {};
  for (const [k, { text, measure }] of measures.entries())
    found[text] = await run.step(`control-${k + 1}`, () =>
      controlMeasure(classifier, { dataset, measure, seed, signal, onProgress }),
    );
  await classifier.release();
  return found;
}

/** A method with all its settings: "integrated-gradients, rule midpoint, steps 50 ...". */
function inWords({ method }: Pick<NamedMethod, 'method'>): string {
  const { name, ...settings } = method;
  const parts = Object.entries(settings).map(([key, value]: [string, unknown]) => {
    const words = key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `${words} ${isMethod(value) ? `(${inWords({ method: value })})` : valueInWords(value)}`;
  });
  return [name, ...parts].join(', ');
}

const isMethod = (value: unknown): value is AttributionMethod =>
  typeof value === 'object' && value !== null && 'name' in value;

const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'shape' in value && 'data' in value;

function valueInWords(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return figure(value);
  if (typeof value === 'string') return value;
  if (isTensor(value)) return `of ${value.shape[0]} images`;
  return JSON.stringify(value).replace(/["{}]/g, '').replaceAll(':', ' ').replaceAll(',', ', ');
}

function protocolOf({ target, of, controls, seed }: ScoreRunOptions, dataset: Dataset): ScoreResult['protocol'] {
  return [
    { name: 'Images', value: `the first ${dataset.count} of ${dataset.name}, ${dataset.split}, in file order` },
    ...(dataset.note ? [{ name: 'Data', value: dataset.note }] : []),
    {
      name: 'Explained',
      value: `the ${of} of ${target === 'label' ? "the label's class" : 'the class that the model predicts'}`,
    },
    {
      name: 'Intervals',
      value:
        '95%: percentiles of 1000 bootstrap samples of the images for means and medians, Clopper–Pearson for shares; a lead over random maps is told by the differences image by image, as in controls',
    },
    {
      name: 'Controls',
      value:
        controls > 0
          ? `${CONTROL_MODEL_IN_WORDS}; its first ${controls} test pictures that it classifies right. A measure is fit when the best planted map beats the random one, and that the worst: the 95% interval of the mean difference, image by image, lies above 0 (Student’s t), and random signs of the differences reach that mean in at most 2.5% of cases. It is unfit when the order is told to be another, not known otherwise`
          : 'none',
    },
    {
      name: 'Background',
      value: `where a method compares with one, the first ${Math.min(BACKGROUND, dataset.count)} images`,
    },
    { name: 'Seed', value: String(seed) },
  ];
}

async function writeResults(
  run: Run,
  result: ScoreResult,
  rows: readonly { readonly model: string; readonly found: MethodScores }[],
): Promise<void> {
  const { measures } = result;
  const controlOf = (name: string) => measures.find((measure) => measure.name === name)!.control;
  await run.writeTable(
    'scores',
    result.rows.flatMap(({ model, method, scores }) =>
      scores.map(({ measure, value, lower, upper, count, undefinedCount, overRandom }) => {
        const { better, over } = measures.find(({ name }) => name === measure)!;
        const fit = controlOf(measure)?.fit;
        return {
          ...{ model, method, measure, better, over, value, lower, upper, count, undefinedCount, fit },
          ...{ overRandom: overRandom?.mean, overRandomLower: overRandom?.lower, overRandomUpper: overRandom?.upper },
        };
      }),
    ),
  );
  await run.writeTable(
    'controls',
    measures.flatMap(({ name, control }) =>
      (control?.maps ?? []).map(({ name: map, score: { value, lower, upper } }, k) => {
        const lead = control?.leads[k];
        return {
          measure: name,
          map,
          value,
          lower,
          upper,
          lead: lead?.mean,
          leadLower: lead?.lower,
          leadUpper: lead?.upper,
        };
      }),
    ),
  );
  await run.writeTable(
    'images',
    rows.flatMap(({ model, found: { method, targets, scores } }) =>
      targets.map((target, image) => ({
        ...{ model, method, image, target },
        ...Object.fromEntries(scores.map(({ measure, values }) => [measure, values[image]])),
      })),
    ),
  );
  await run.write('score.json', `${JSON.stringify(result, undefined, 1)}\n`);
  await run.write('report.html', renderScoreReport(result));
  await run.update({ finishedAt: new Date().toISOString() });
}
