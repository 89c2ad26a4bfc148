import { Command, Option } from 'commander';
import { discrepancyAttack, type MapAttack, topKAttack } from '../attacks/explanations/map-attack.ts';
import type { MapKind } from '../attacks/explanations/maps.ts';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { type BoundTightness, boundTightness } from '../evaluation/bound-tightness.ts';
import { type MapStability, mapStability } from '../evaluation/map-stability.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { epsilon, figure } from '../report/format.ts';
import { percentile } from '../statistics.ts';
import {
  type CommonOptions,
  epsilonList,
  type ModelOptions,
  nonNegative,
  noteIgnored,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface StabilityOptions extends CommonOptions, ModelOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
  epsilons: number[];
  map: 'cam' | 'cam++' | 'representation' | 'integrated-gradients';
  pathSteps: number;
  objective: MapAttack['name'];
  k: number;
  lambda: number;
  steps: number;
  stepSize: number;
  randomStart: boolean;
  bound?: boolean;
  batchSize?: number;
}

/** Options of the attack on maps, which the bound has no use for. */
const ATTACK_OPTIONS = ['epsilons', 'objective', 'k', 'lambda', 'steps', 'stepSize', 'randomStart'];

/** `tempered stability`: whether interpretation maps stand an attack that is aimed at them. */
export function stabilityCommand(): Command {
  const command = new Command('stability')
    .summary('attack the interpretation maps of a model')
    .description('attack interpretation maps in an linf ball and measure how far they keep their order')
    .argument('<MODEL.onnx>', 'classifier; CAM needs global average pooling and one linear layer at its end')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'all']).default('test'))
    .option('--count <N>', 'the first N images in file order (default: all)', positiveInteger)
    .addOption(
      new Option('--epsilons <LIST>', 'radii in pixel units')
        .argParser(epsilonList)
        .default([0, 2 / 255, 4 / 255, 8 / 255], '0,2/255,4/255,8/255'),
    )
    .addOption(
      new Option('--map <NAME>', 'which map')
        .choices(['cam', 'cam++', 'representation', 'integrated-gradients'])
        .default('cam'),
    )
    .option('--path-steps <N>', 'points of integrated gradients', positiveInteger, 10)
    .addOption(
      new Option('--objective <NAME>', 'what the attack does').choices(['top-k', 'discrepancy']).default('top-k'),
    )
    .option('--k <N>', 'largest entries attacked and compared', positiveInteger, 8)
    .option('--lambda <L>', 'weight that keeps the prediction (discrepancy)', nonNegative, 1)
    .option('--steps <K>', 'sign steps', positiveInteger, 200)
    .option('--step-size <S>', 'of each, in pixel units', nonNegative, 0.01)
    .option('--no-random-start', 'start from the image itself')
    .option('--bound', 'instead: how near the map of the nearest adversarial image comes to the bound it must keep')
    .option('--batch-size <N>', 'images a run', positiveInteger);
  return withCommonOptions(withModelOptions(command)).action(
    (path: string, options: StabilityOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, count, epsilons, k, seed, batchSize } = options;
        if (options.map !== 'integrated-gradients') noteIgnored(command, ['pathSteps'], `with --map ${options.map}`);
        if (options.bound) noteIgnored(command, ATTACK_OPTIONS, 'with --bound');
        else if (options.objective === 'top-k') noteIgnored(command, ['lambda'], 'with --objective top-k');
        await checkFile(options.json);
        const run = <Result>(measure: (classifier: Classifier, dataset: Dataset) => Promise<Result>) =>
          withRuntime(options, async (runtime) => {
            const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
            const size = classifier.inputShape[1];
            const dataset = await loadDataset({ name: data, dataDir, split, count, size, seed, signal, onProgress });
            return measure(classifier, dataset);
          });
        const common = { seed, batchSize, signal, onProgress };
        const about = { model: path, data, split, seed };
        if (options.bound) {
          const map = kindOf(options);
          const found = await run((classifier, dataset) => boundTightness(classifier, { ...common, dataset, map }));
          await report(terminal, options, { ...about, map, ...found }, boundLines(found));
          return;
        }
        const attack = attackFrom(options);
        const results = await run((classifier, dataset) =>
          mapStability(classifier, { ...common, dataset, attack, epsilons, k }),
        );
        const result = { ...about, count: results[0]?.count, attack, k, results };
        await report(terminal, options, result, table(results, k));
      }),
  );
}

const kindOf = ({ map, pathSteps }: StabilityOptions): MapKind =>
  map === 'integrated-gradients' ? { name: map, steps: pathSteps } : map;

/** Proposition 1: D₂,ℓ1 is at least half the margin that the prediction has to lose. */
function boundLines({ count, attacked, points, violations, tightness, correlation }: BoundTightness): string[] {
  const median = percentile(
    points.map(({ distance }) => distance),
    50,
  );
  const interval = ({ mean, lower, upper }: NonNullable<BoundTightness['tightness']>) =>
    `${mean.toFixed(3)}${lower === undefined || upper === undefined ? '' : ` [${lower.toFixed(3)}, ${upper.toFixed(3)}]`}`;
  return [
    `${attacked} of ${count} images are right; the nearest adversarial image was found for ${points.length}`,
    ...(points.length > 0 ? [`at a median distance of ${figure(median)}`] : []),
    `Proposition 1, discrepancy of the maps ≥ half the margin: ${violations.length === 0 ? 'holds on every image' : `broken on ${violations.length} images, ${violations.slice(0, 10).join(', ')}`}`,
    ...(tightness
      ? [`tightness, bound / discrepancy: ${interval(tightness)}; Spearman's ρ ${correlation.toFixed(2)}`]
      : []),
  ];
}

function attackFrom(options: StabilityOptions): MapAttack {
  const { objective, k, lambda, steps, stepSize, randomStart } = options;
  const how = { map: kindOf(options), steps, stepSize, randomStart };
  return objective === 'top-k' ? topKAttack({ ...how, k }) : discrepancyAttack({ ...how, lambda });
}

function table(results: readonly MapStability[], k: number): string[] {
  const cells = (found: MapStability['kendallTau']) =>
    found
      ? [
          found.mean.toFixed(3),
          found.lower === undefined || found.upper === undefined
            ? '–'
            : `[${found.lower.toFixed(3)}, ${found.upper.toFixed(3)}]`,
        ]
      : ['–', ''];
  return textTable(
    ['ε', 'Kendall τ', '95% interval', `top ${k} kept`, '95% interval', 'prediction kept'],
    results.map((at) => [
      epsilon(at.epsilon),
      ...cells(at.kendallTau),
      ...cells(at.topIntersection),
      `${at.kept} of ${at.count}`,
    ]),
  );
}
