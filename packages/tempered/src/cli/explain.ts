import { Command, Option } from 'commander';
import { isMinimal } from '../attacks/attack.ts';
import { EXPLAINED } from '../attribution/explained.ts';
import { UsageError } from '../errors.ts';
import { attackSpecs, attacksFrom } from './attack-options.ts';
import { removeEarlier } from './explain-files.ts';
import { type MethodOptions, methodsFor, withMethodOptions } from './explain-methods.ts';
import { type FigureOptions, present } from './explain-output.ts';
import { type ChosenAttack, explainAll } from './explain-run.ts';
import {
  type CommonOptions,
  nonNegative,
  noteIgnored,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder, writeOutput } from './output-folder.ts';
import { runCommand } from './terminal.ts';

interface ExplainOptions extends CommonOptions, FigureOptions, MethodOptions {
  of: FigureOptions['of'];
  layer?: string;
  seed: number;
  attack?: ReturnType<typeof attackSpecs>;
  epsilon?: number;
  out: string;
}

/** `tempered explain`: attributions of models by methods, as numbers and as one figure. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('attributions of images: which pixels count')
    .description('write which pixels count for a class: several models, methods and images side by side')
    .argument('<MODEL.onnx...>', 'ONNX classifiers')
    .option('--input <FILE>', 'image or .npy array with a batch axis; may be repeated', repeated)
    .option('--data <NAME>', 'or images of shapes, mnist, cifar10 ... or a FOLDER')
    .option('--images <LIST>', 'of these numbers (default: 0,1,2,3)', numbersFrom0)
    .option('--method <LIST>', 'one or more, such as gradient,ig:steps=20 (see tempered methods)', 'gradient')
    .option('--target <K>', 'class to explain (default: the label, or what the first model says)', wholeNumber)
    .addOption(new Option('--of <WHAT>', 'what of it').choices(EXPLAINED).default('logit'))
    .option('--attack <SPEC>', 'explain the images after an attack too, such as pgd:steps=40', attackSpecs)
    .option('--epsilon <E>', 'its radius in pixel units, such as 8/255', nonNegative)
    .addOption(
      new Option('--scale <NAME>', 'maps that share a scale').choices(['own', 'image', 'method']).default('own'),
    )
    .option('--overlay', 'draw maps over the grey image')
    .option('--percentile <P>', 'of |a| with the strongest colour; sparse maps: 99.9', nonNegative, 99)
    .requiredOption('--out <DIR>', 'folder for figure.png, figure.svg, arrays and result.json');
  withMethodOptions(command)
    .option('--layer <NAME>', 'value or node whose elements get the attributions')
    .option('--data-dir <DIR>', 'folder with the data files')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'all']).default('test'));
  return withCommonOptions(withModelOptions(command)).action(
    (paths: string[], options: ExplainOptions, command: Command) =>
      runCommand(async (terminal) => {
        if (options.data === undefined) noteIgnored(command, ['images', 'dataDir', 'split'], 'without --data');
        if (options.attack === undefined) noteIgnored(command, ['epsilon'], 'without --attack');
        if (options.percentile === 0 || options.percentile > 100)
          throw new UsageError(`--percentile must be above 0 and 100 or less, not ${options.percentile}`);
        await checkFolder(options.out);
        await checkFile(options.json);
        const makeMethods = await methodsFor(command, options);
        const attack = attackFor(command, options);
        const run = await withRuntime(options, (runtime) =>
          explainAll(runtime, paths, { makeMethods, attack }, options, terminal),
        );
        const { files, result, lines } = await present(run, attack, options);
        await removeEarlier(options.out, Object.keys(files));
        await writeOutput(options.out, files);
        await report(terminal, options, result, [...lines, `Written to ${options.out}`]);
      }),
  );
}

const repeated = (text: string, before: string[] = []): string[] => [...before, text];

const numbersFrom0 = (text: string): number[] => text.split(',').map((part) => wholeNumber(part.trim()));

function attackFor(command: Command, { attack: specs, epsilon }: ExplainOptions): ChosenAttack | undefined {
  if (specs === undefined) return undefined;
  const [first, second] = Object.entries(attacksFrom(command, { attack: specs }));
  if (second !== undefined) throw new UsageError('tempered explain runs one attack');
  const [text, attack] = first!;
  if (epsilon === undefined && !isMinimal(attack))
    throw new UsageError(`--epsilon is missing: '${text}' searches within a radius`);
  return { text, attack, ...(epsilon !== undefined && { epsilon }) };
}
