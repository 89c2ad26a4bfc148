import { Command, InvalidArgumentError, Option } from 'commander';
import {
  type CalibratedAttack,
  type CalibrationName,
  calibratedEpsilons,
  evaluateUnforeseen,
  unforeseenCalibrations,
} from '../evaluation/unforeseen-attack-robustness.ts';
import { loadClassifier } from '../models/node/load.ts';
import { percent } from '../report/format.ts';
import { type DataOptions, dataFor, withDataOptions } from './data-options.ts';
import {
  type CommonOptions,
  type ModelOptions,
  nameList,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface UarOptions extends CommonOptions, ModelOptions, DataOptions {
  calibration: CalibrationName;
  attacks?: CalibratedAttack[];
  steps: number;
  batchSize?: number;
}

const ATTACKS = Object.keys(unforeseenCalibrations.imagenet100) as CalibratedAttack[];

function attackList(text: string): CalibratedAttack[] {
  return nameList(text).map((name) => {
    const known = ATTACKS.find((each) => each === name);
    if (known === undefined)
      throw new InvalidArgumentError(`There is no calibrated attack '${name}': choose from ${ATTACKS.join(', ')}.`);
    return known;
  });
}

/** `tempered uar`: robustness to attacks that nobody trained for. */
export function uarCommand(): Command {
  const command = new Command('uar')
    .summary('robustness to attacks that nobody trained for (UAR)')
    .description('attack at six calibrated strengths and compare with models trained against each attack (UAR)')
    .argument('<MODEL.onnx>', 'classifier: input [N, C, H, W] in [0, 1], output logits')
    .addOption(
      new Option('--calibration <NAME>', 'whose strengths and accuracies: of 32 × 32 or of 224 × 224 images')
        .choices(['cifar10', 'imagenet100'])
        .default('cifar10'),
    )
    .option('--attacks <LIST>', 'some of those below (default: all that are calibrated)', attackList)
    .option('--steps <K>', 'steps, fewer than calibrated for a first look', positiveInteger, 200)
    .option('--batch-size <N>', 'images a run (default: 50, fewer for large images)', positiveInteger)
    .addHelpText(
      'after',
      `\nAttacks: ${ATTACKS.join(', ').replace(' fog', '\n  fog')} (the last three: imagenet100 only)\nUAR is 100 for a model as robust as the best that were trained for the attack.`,
    );
  return withCommonOptions(withModelOptions(withDataOptions(command))).action((path: string, options: UarOptions) =>
    runCommand(async (terminal) => {
      const { calibration, steps, seed, batchSize } = options;
      await checkFile(options.json);
      const attacks =
        options.attacks ?? (Object.keys(unforeseenCalibrations[calibration]) as readonly CalibratedAttack[]);
      // An attack without calibration is refused before any work.
      for (const attack of attacks) calibratedEpsilons(attack, calibration);
      const results = await withRuntime(options, async (runtime) => {
        const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
        const dataset = await dataFor(classifier, options, terminal);
        const { signal, onProgress } = terminal;
        const rows = [];
        for (const attack of attacks) {
          const work = { dataset, attack, calibration, steps, seed, batchSize, signal, onProgress };
          rows.push({ attack, ...(await evaluateUnforeseen(classifier, work)) });
        }
        return rows;
      });
      const { data, split } = options;
      const count = results[0]?.underAttack[0]?.count;
      const result = { model: path, data, split, count, calibration, steps, seed, results };
      await report(terminal, options, result, [
        `Accuracy at the six strengths of the calibration ${calibration}:`,
        ...textTable(
          ['attack', 'UAR', '1', '2', '3', '4', '5', '6'],
          results.map(({ attack, uar, underAttack }) => [
            attack,
            (100 * uar).toFixed(1),
            ...underAttack.map((at) => percent(at.accuracy)),
          ]),
        ),
      ]);
    }),
  );
}
