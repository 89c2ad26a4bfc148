import { Command, Option } from 'commander';
import { foolingRate, universalPerturbation } from '../attacks/universal.ts';
import { writeNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { encodePng } from '../image/node/encode.ts';
import { renderPerturbation } from '../image/render.ts';
import { loadClassifier } from '../models/node/load.ts';
import { epsilon as formatEpsilon, percent } from '../report/format.ts';
import { type Tensor, zeros } from '../tensor.ts';
import { dataFor } from './data-options.ts';
import {
  type CommonOptions,
  type ModelOptions,
  nonNegative,
  noteIgnored,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder, writeOutput } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface UniversalCommandOptions extends CommonOptions, ModelOptions {
  data: string;
  dataDir?: string;
  count: number;
  heldOut: number;
  epsilon: number;
  norm: 'linf' | 'l2';
  method: 'gradient' | 'deep-fool';
  epochs: number;
  stepSize?: number;
  batchSize?: number;
  out: string;
}

/** `tempered universal`: one perturbation for all images. */
export function universalCommand(): Command {
  const command = new Command('universal')
    .summary('one perturbation that changes the class of many images')
    .description('make one perturbation from training images and measure how many test images it fools')
    .argument('<MODEL.onnx>', 'classifier: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .option('--count <N>', 'training images that it is made from', positiveInteger, 1000)
    .option('--held-out <N>', 'test images that it is measured on', positiveInteger, 1000)
    .requiredOption('--epsilon <E>', 'its length in pixel units, such as 8/255', nonNegative)
    .addOption(new Option('--norm <NAME>', 'of the length').choices(['linf', 'l2']).default('linf'))
    .addOption(
      new Option('--method <NAME>', 'ascent on the loss, or the smallest step for one image after the other')
        .choices(['gradient', 'deep-fool'])
        .default('gradient'),
    )
    .option('--epochs <N>', 'passes over the images, at most', positiveInteger, 10)
    .option('--step-size <S>', 'of the ascent (default: ε / 10)', nonNegative)
    .option('--batch-size <N>', 'images a step (default: 50, fewer for large images)', positiveInteger)
    .requiredOption('--out <DIR>', 'folder for universal.npy, universal.png and result.json');
  return withCommonOptions(withModelOptions(command)).action(
    (path: string, options: UniversalCommandOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { data, dataDir, count, heldOut, epsilon, norm, method, epochs, stepSize, seed, batchSize } = options;
        if (method === 'deep-fool') noteIgnored(command, ['stepSize'], 'with --method deep-fool');
        await checkFolder(options.out);
        await checkFile(options.json);
        const { signal, onProgress } = terminal;
        const made = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const images = async (split: 'train' | 'test', most: number): Promise<Tensor> => {
            const dataset = await dataFor(classifier, { data, dataDir, split, count: most, seed }, terminal);
            if (dataset.count === 0) throw new UsageError(`${data} has no images in its part '${split}'`);
            return dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i)).images;
          };
          const [training, test] = [await images('train', count), await images('test', heldOut)];
          const how = { epsilon, norm, method, epochs, stepSize, seed, batchSize, signal, onProgress };
          const universal = await universalPerturbation(classifier, { images: training, ...how });
          const rate = await foolingRate(classifier, test, universal.delta, { batchSize, signal, onProgress });
          return { ...universal, counts: [training.shape[0]!, test.shape[0]!] as const, rate };
        });
        const { delta, foolingRate: seen, rate, counts } = made;
        const result = {
          ...{ model: path, data, norm, epsilon, method, seed, epochs: made.epochs },
          madeFrom: { count: counts[0], foolingRate: seen },
          heldOut: { count: counts[1], foolingRate: rate },
        };
        const [channels] = delta.shape;
        const length = norm === 'linf' ? epsilon : epsilon / Math.sqrt(delta.data.length);
        await writeOutput(options.out, {
          'universal.npy': writeNpy(delta),
          ...((channels === 1 || channels === 3) && {
            'universal.png': await encodePng(
              // From black to white over the values it is made of.
              renderPerturbation(zeros(delta.shape), delta, { amplify: 0.5 / Math.max(length, 1e-6) }),
            ),
          }),
          'result.json': `${JSON.stringify(result, undefined, 2)}\n`,
        });
        await report(terminal, options, result, [
          `One perturbation of ${norm} length ${formatEpsilon(epsilon)} changes the predicted class of`,
          `  ${percent(seen)} of the ${counts[0]} images that it is made from`,
          `  ${percent(rate)} of ${counts[1]} that it has not seen`,
          `Written to ${options.out}`,
        ]);
      }),
  );
}
