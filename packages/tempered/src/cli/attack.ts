import { Command } from 'commander';
import { type Attack, isMinimal, perturb } from '../attacks/attack.ts';
import { writeNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { encodePng } from '../image/node/encode.ts';
import { renderImage, renderPerturbation } from '../image/render.ts';
import { loadClassifier } from '../models/node/load.ts';
import { argmaxRows, predict, predictLogits, softmaxRows } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import { epsilon as formatEpsilon, percent } from '../report/format.ts';
import type { Tensor } from '../tensor.ts';
import { type AttackOptions, attacksFrom, withAttackOptions } from './attack-options.ts';
import { noGradient } from './evaluate.ts';
import { readInput } from './input.ts';
import {
  type CommonOptions,
  type ModelOptions,
  nonNegative,
  readingOptions,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder, type OutputFiles, writeOutput } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface AttackCommandOptions extends CommonOptions, ModelOptions, AttackOptions {
  input: string;
  epsilon?: number;
  label?: number;
  target?: number;
  out: string;
}

/** `tempered attack`: adversarial examples of given images. */
export function attackCommand(): Command {
  const command = new Command('attack')
    .description('perturb images within ε so that the classifier errs')
    .argument('<MODEL.onnx>', 'ONNX classifier')
    .requiredOption('--input <FILE>', 'an image, or a .npy array [N, C, H, W] in [0, 1]')
    .option('--epsilon <E>', 'radius in pixel units, such as 8/255; fab, ddn ... need none', nonNegative)
    .option('--label <K>', 'true class (default: the predicted one)', wholeNumber)
    .option('--target <K>', 'class to reach; without it, any other class will do', wholeNumber)
    .requiredOption('--out <DIR>', 'folder for adversarial.npy, pictures and result.json');
  return withCommonOptions(withModelOptions(withAttackOptions(command))).action(
    (path: string, options: AttackCommandOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { epsilon, seed, target, label } = options;
        await checkFolder(options.out);
        await checkFile(options.json);
        const attacks = attacksFrom(command, options);
        const [[asked, attack], another] = Object.entries(attacks) as [[string, Attack], [string, Attack]?];
        if (another !== undefined) throw new UsageError('tempered attack runs one attack: evaluate takes several');
        if (epsilon === undefined && !isMinimal(attack))
          throw new UsageError(
            `--epsilon is missing: '${asked}' searches within a radius; with minimal=yes it looks for the smallest`,
          );
        const run = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const images = await readInput(options.input, classifier);
          const before = await predict(classifier, images, { signal });
          for (const chosen of [target, label]) if (chosen !== undefined) checkLabels(classifier, [chosen]);
          const every = (k: number) => new Int32Array(before.length).fill(k);
          const labels = label === undefined ? before : every(label);
          const targets = target === undefined ? undefined : every(target);
          const work = { seed, signal, onProgress };
          const perturbed = await perturb(classifier, attack, { images, labels, targets, epsilon, ...work });
          const logits = await predictLogits(classifier, perturbed.adversarial, { signal });
          return {
            classifier,
            images,
            before,
            perturbed,
            after: argmaxRows(logits),
            probabilities: softmaxRows(logits),
          };
        });
        const { classifier, images, before, perturbed, after, probabilities } = run;
        const name = (k: number) => classifier.classes[k]!;
        const result = {
          model: path,
          input: options.input,
          attack,
          epsilon,
          seed,
          zeroGradients: perturbed.zeroGradients,
          images: Array.from(before, (k, i) => ({
            before: k,
            after: after[i]!,
            class: name(after[i]!),
            probability: probabilities.data[i * classifier.classes.length + after[i]!]!,
            success: perturbed.success[i] === 1,
            survivesRounding: perturbed.survivesRounding[i] === 1,
            distance: perturbed.distance[i]!,
          })),
        };
        await writeOutput(options.out, {
          'adversarial.npy': writeNpy(perturbed.adversarial),
          ...(isPicture(images.shape) ? await picturesOf(images, perturbed.adversarial) : {}),
          'result.json': `${JSON.stringify(result, undefined, 2)}\n`,
        });
        const lines = result.images.map(
          (image, i) =>
            `${i + 1}: ${name(image.before)} → ${name(image.after)} (${percent(image.probability)}), ${outcome(image)}, distance ${formatEpsilon(image.distance)}`,
        );
        const { zeroGradients } = perturbed;
        if (zeroGradients > 0) lines.push(noGradient(zeroGradients, before.length));
        await report(terminal, options, result, [...lines, `Written to ${options.out}`]);
      }),
  );
}

/** A picture file holds 8 bits a value: what rounding undoes cannot be shown to anybody else. */
const outcome = ({ success, survivesRounding }: { success: boolean; survivesRounding: boolean }): string => {
  if (!success) return 'no success';
  return survivesRounding ? 'success, with 8 bits a value too' : 'success, undone by rounding to 8 bits';
};

async function picturesOf(images: Tensor, adversarial: Tensor): Promise<OutputFiles> {
  const files: Record<string, Uint8Array> = {};
  for (let index = 0; index < images.shape[0]!; index++) {
    files[`adversarial-${index + 1}.png`] = await encodePng(renderImage(adversarial, { index }));
    files[`perturbation-${index + 1}.png`] = await encodePng(renderPerturbation(images, adversarial, { index }));
  }
  return files;
}

const isPicture = ([, channels]: readonly number[]): boolean => channels === 1 || channels === 3;
