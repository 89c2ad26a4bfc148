import { Command, Option } from 'commander';
import { discrepancyAttack, type MapAttack, topKAttack } from '../attacks/explanations/map-attack.ts';
import type { MapKind } from '../attacks/explanations/maps.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { type MapStability, mapStability } from '../evaluation/map-stability.ts';
import { loadClassifier } from '../models/node/load.ts';
import { epsilon } from '../report/format.ts';
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
  batchSize?: number;
}

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
    .option('--batch-size <N>', 'images a run', positiveInteger);
  return withCommonOptions(withModelOptions(command)).action(
    (path: string, options: StabilityOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, count, epsilons, k, seed, batchSize } = options;
        if (options.map !== 'integrated-gradients') noteIgnored(command, ['pathSteps'], `with --map ${options.map}`);
        if (options.objective === 'top-k') noteIgnored(command, ['lambda'], 'with --objective top-k');
        await checkFile(options.json);
        const attack = attackFrom(options);
        const results = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const size = classifier.inputShape[1];
          const dataset = await loadDataset({ name: data, dataDir, split, count, size, seed, signal, onProgress });
          return mapStability(classifier, { dataset, attack, epsilons, k, seed, batchSize, signal, onProgress });
        });
        const result = { model: path, data, split, count: results[0]?.count, attack, k, seed, results };
        await report(terminal, options, result, table(results, k));
      }),
  );
}

function attackFrom({
  objective,
  map,
  pathSteps,
  k,
  lambda,
  steps,
  stepSize,
  randomStart,
}: StabilityOptions): MapAttack {
  const kind: MapKind = map === 'integrated-gradients' ? { name: map, steps: pathSteps } : map;
  const how = { map: kind, steps, stepSize, randomStart };
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
