import { Command, Option } from 'commander';
import type { MapKind } from '../attacks/explanations/maps.ts';
import { type Sneaked, type SneakingAttack, sneak, sneakingAttack } from '../attacks/explanations/sneaking.ts';
import { UsageError } from '../errors.ts';
import { loadClassifier } from '../models/node/load.ts';
import { predict } from '../models/predict.ts';
import { createRandom } from '../random.ts';
import { epsilon, measured } from '../report/format.ts';
import { takeRows } from '../tensor.ts';
import { type DataOptions, dataFor, withDataOptions } from './data-options.ts';
import {
  type CommonOptions,
  type ModelOptions,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface SneakCommandOptions extends CommonOptions, ModelOptions, DataOptions {
  map: Extract<MapKind, string>;
  classes: SneakingAttack['classes'];
  mapNorm: SneakingAttack['mapNorm'];
  steps: number;
  weights: number;
  batchSize?: number;
}

/** `tempered sneak`: misclassification that leaves the interpretation maps as they were, as far as it can. */
export function sneakCommand(): Command {
  const command = new Command('sneak')
    .summary('change the class of images and keep their interpretation maps')
    .description(
      'lead images to a random wrong class with as little change of their interpretation maps as can be found',
    )
    .argument('<MODEL.onnx>', 'classifier; CAM needs global average pooling and one linear layer at its end')
    .addOption(new Option('--map <NAME>', 'which map').choices(['cam', 'cam++', 'representation']).default('cam'))
    .addOption(
      new Option('--classes <NAME>', 'whose maps are to stay: of the true class, that and the target, or all')
        .choices(['true', 'two', 'all'])
        .default('two'),
    )
    .addOption(new Option('--map-norm <NAME>', 'of the difference').choices(['l1', 'l2']).default('l1'))
    .option('--steps <K>', 'sign steps of each search', positiveInteger, 30)
    .option('--weights <N>', 'weights of the maps that are tried on an image', positiveInteger, 10)
    .option('--batch-size <N>', 'images a run', positiveInteger);
  return withCommonOptions(withModelOptions(withDataOptions(command))).action(
    (path: string, options: SneakCommandOptions) =>
      runCommand(async (terminal) => {
        const { map, classes, mapNorm, steps, weights, seed, batchSize, data, split } = options;
        await checkFile(options.json);
        const attack = sneakingAttack({ map, classes, mapNorm, steps, weights });
        const { results, attacked, count } = await withRuntime(options, async (runtime) => {
          const { signal, onProgress } = terminal;
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const dataset = await dataFor(classifier, options, terminal);
          const all = dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
          const predictions = await predict(classifier, all.images, { batchSize, signal });
          const right = Uint32Array.from(predictions.keys()).filter((i) => predictions[i] === all.labels[i]);
          if (right.length === 0)
            throw new UsageError('every image is classified wrong without attack: there is nothing to attack');
          const labels = Array.from(right, (i) => all.labels[i]!);
          const targets = labels.map((label, k) => {
            const drawn = createRandom(seed, 'sneak', right[k]!).integer(classifier.classes.length - 1);
            return drawn + Number(drawn >= label);
          });
          const work = { images: takeRows(all.images, right), labels, targets, imageNumbers: right };
          const found = await sneak(classifier, attack, { ...work, seed, batchSize, signal, onProgress });
          return { results: found.map(summaryOf), attacked: right.length, count: dataset.count };
        });
        // Proposition 1 of Boopathy et al. 2020.
        const isBounded = map === 'cam' && classes === 'two' && mapNorm === 'l1';
        const result = { model: path, data, split, count, attacked, attack, seed, results };
        await report(terminal, options, result, [
          `${attacked} of ${count} images are classified right and attacked.`,
          ...textTable(
            ['radius', 'reached', 'median ε', 'change of the maps', ...(isBounded ? ['least possible'] : [])],
            results.map((at) => [
              `${at.factor} × the smallest`,
              `${at.reached} of ${attacked}`,
              at.epsilon === null ? '–' : epsilon(at.epsilon),
              at.discrepancy === null ? '–' : measured(at.discrepancy),
              ...(isBounded ? [at.bound === null ? '–' : measured(at.bound)] : []),
            ]),
          ),
        ]);
      }),
  );
}

/** Medians over the images whose target was reached; null without any. */
function summaryOf({ factor, success, ...found }: Sneaked) {
  const reached = [...success.keys()].filter((i) => success[i] === 1);
  const median = (values: Float64Array): number | null => {
    const sorted = reached.map((i) => values[i]!).sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
  };
  return {
    factor,
    reached: reached.length,
    epsilon: median(found.epsilon),
    discrepancy: median(found.discrepancy),
    bound: median(found.bound),
  };
}
