import { basename, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { methodsFrom } from '../attribution/catalogue.ts';
import { EXPLAINED, type Explained } from '../attribution/explained.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Split } from '../data/node/load.ts';
import { UsageError } from '../errors.ts';
import { checkControls } from '../evaluation/explanations/control.ts';
import { kindOf, measuresFrom, type NamedMeasure } from '../evaluation/explanations/measures.ts';
import { checkExplained } from '../evaluation/explanations/score.ts';
import { loadClassifier } from '../models/node/load.ts';
import { hashModelFile } from '../runs/hash.ts';
import { definedSettings } from '../runs/manifest.ts';
import { zeros } from '../tensor.ts';
import { dataFor } from './data-options.ts';
import {
  type CommonOptions,
  type ModelOptions,
  positiveInteger,
  readingOptions,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { scoreLines } from './score-lines.ts';
import { runCommand } from './terminal.ts';

interface ScoreCommandOptions extends CommonOptions, ModelOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count: number;
  methods: string;
  metrics?: string;
  target: 'predicted' | 'label';
  of: Extract<Explained, string>;
  controls: number;
  batchSize?: number;
  out?: string;
}

const METHODS = 'gradient,smoothgrad,ig,random';

/** Where nothing is asked for, with those that the data allow. */
const USUAL =
  'deletion,insertion,pixel-flipping,road,average-drop,infidelity,max-sensitivity,pointing-game,relevance-mass,relevance-rank,localization-auc,sparseness,complexity,completeness';

/** `tempered score`: how good explanations are, by measures that prove themselves first. */
export function scoreCommand(): Command {
  const command = new Command('score')
    .summary('measure explanations, by measures that are tested themselves')
    .description('measure the explanations of models: a table methods × metrics × models, and a report')
    .argument('<MODEL.onnx...>', 'classifiers: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'all']).default('test'))
    .option('--count <N>', 'the first N images in file order', positiveInteger, 100)
    .option('--methods <LIST>', 'such as gradient,ig:steps=20,baseline=white,lrp', METHODS)
    .option('--metrics <LIST>', 'such as deletion:step=0.1,road (default: all that the data allow)')
    .addOption(new Option('--target <CLASS>', 'class to explain').choices(['predicted', 'label']).default('predicted'))
    .addOption(new Option('--of <WHAT>', 'what of it').choices(EXPLAINED).default('logit'))
    .option('--controls <N>', 'pictures on which each metric is tested; 0 for none', wholeNumber, 60)
    .option('--batch-size <N>', 'images a run (default: 50, fewer for large images)', positiveInteger)
    .option('--out <DIR>', 'run folder (default: runs/score-<model>)')
    .addHelpText(
      'after',
      "\n'tempered methods' lists methods and metrics, with their settings.\nThe folder gets report.html, score.json, tables. Stopped, the command goes on.",
    );
  return withCommonOptions(withModelOptions(command)).action((paths: string[], options: ScoreCommandOptions) =>
    runCommand(async (terminal) => {
      const { signal, onProgress } = terminal;
      const { data, split, count, target, of, controls, seed, batchSize } = options;
      const folder = options.out ?? `runs/score-${basename(paths[0]!, '.onnx')}`;
      await checkFolder(folder);
      await checkFile(options.json);
      // What is wrong with the settings should be said before anything is read.
      checkExplained(of);
      checkControls(controls);
      const names = modelNames(paths);
      const asked = options.metrics === undefined ? undefined : namedOnce('--metrics', measuresFrom(options.metrics));
      namedOnce('--methods', methodsFrom(options.methods, zeros([1])));
      const { runScore } = await import('../audit/score-explanations.ts');
      const { result, report: page } = await withRuntime(options, async (runtime) => {
        const models = [];
        for (const [i, file] of paths.entries()) {
          const classifier = await loadClassifier(file, { ...readingOptions(options), runtime });
          models.push({ name: names[i]!, file, hash: await hashModelFile(file), classifier });
        }
        const dataset = await dataFor(models[0]!.classifier, options, terminal);
        const { mean, std, inputShape, modelOutput } = options;
        return runScore({
          ...{ models, dataset, target, of, controls, seed, batchSize, folder, signal, onProgress },
          methods: options.methods,
          measures: asked ?? usualMeasures(dataset),
          configuration: definedSettings({ models: paths, data, split, count, mean, std, inputShape, modelOutput }),
        });
      });
      await report(terminal, options, { ...result, report: page }, [...scoreLines(result), '', `Report: ${page}`]);
    }),
  );
}

/** Two of one name would be one column. */
function namedOnce<T extends { readonly text: string }>(option: string, found: readonly T[]): readonly T[] {
  if (found.length === 0) throw new UsageError(`${option} names nothing`);
  const twice = found.find(({ text }, i) => found.findIndex((each) => each.text === text) !== i);
  if (twice !== undefined) throw new UsageError(`${option} names '${twice.text}' twice`);
  return found;
}

const usualMeasures = ({ masks }: Dataset): NamedMeasure[] =>
  measuresFrom(USUAL).filter(({ measure }) => masks !== undefined || !kindOf(measure).needs.includes('masks'));

/** File names without folder and ending, where these tell the models apart. */
function modelNames(paths: readonly string[]): readonly string[] {
  const files = paths.map((path) => resolve(path));
  const twice = paths.find((_, i) => files.indexOf(files[i]!) < i);
  if (twice !== undefined) throw new UsageError(`the model ${twice} is given twice`);
  const short = paths.map((path) => basename(path, '.onnx'));
  return new Set(short).size === paths.length ? short : paths;
}
