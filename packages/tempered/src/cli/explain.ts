import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { type Attack, isMinimal, normOf, perturb } from '../attacks/attack.ts';
import { attribute } from '../attribution/attribute.ts';
import { EXPLAINED, type Explained as ExplainedOutput } from '../attribution/explained.ts';
import type { Split } from '../data/node/load.ts';
import { writeNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { arrangeGrid, type Bitmap, upscale } from '../image/bitmap.ts';
import { encodePng, rasterise } from '../image/node/encode.ts';
import { renderAttribution, renderOverlay } from '../image/render.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { argmaxRows, predictLogits, softmaxRows } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import {
  attributionFigure,
  drawnMaps,
  type SharedScale,
  type ShownCondition,
  shortNames,
  shownImages,
} from '../report/attribution-figure.ts';
import { epsilon as formatEpsilon, list, norm } from '../report/format.ts';
import { drawPictureTable } from '../report/picture-table.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { rows, type Tensor } from '../tensor.ts';
import { attackSpecs, attacksFrom } from './attack-options.ts';
import { type InputOptions, type Inputs, readInputs } from './explain-inputs.ts';
import {
  type ChosenMethod,
  type MakeMethods,
  type MethodOptions,
  methodsFor,
  withMethodOptions,
} from './explain-methods.ts';
import { type Explained, linesOf, recordOf } from './explain-result.ts';
import {
  type CommonOptions,
  MORE_OPTIONS,
  type ModelOptions,
  nonNegative,
  noteIgnored,
  readingOptions,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder, type OutputFiles, writeOutput } from './output-folder.ts';
import { runCommand, type Terminal } from './terminal.ts';

interface ExplainOptions extends CommonOptions, ModelOptions, InputOptions, MethodOptions {
  split: Split;
  target?: number;
  of: Extract<ExplainedOutput, string>;
  layer?: string;
  attack?: ReturnType<typeof attackSpecs>;
  epsilon?: number;
  scale: SharedScale;
  overlay?: boolean;
  percentile: number;
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
  return withCommonOptions(withModelOptions(command.optionsGroup(MORE_OPTIONS))).action(
    (paths: string[], options: ExplainOptions, command: Command) =>
      runCommand(async (terminal) => {
        if (options.data === undefined) noteIgnored(command, ['images', 'dataDir', 'split'], 'without --data');
        if (options.attack === undefined) noteIgnored(command, ['epsilon'], 'without --attack');
        if (options.percentile > 100)
          throw new UsageError(`--percentile must be 100 or less, not ${options.percentile}`);
        await checkFolder(options.out);
        await checkFile(options.json);
        const makeMethods = await methodsFor(command, options);
        const attack = attackFor(command, options);
        const run = await withRuntime(options, (runtime) =>
          explainAll(runtime, paths, { makeMethods, attack }, options, terminal),
        );
        const { files, result, lines } = await present(run, { attack, paths }, options);
        await writeOutput(options.out, files);
        await report(terminal, options, result, [...lines, `Written to ${options.out}`]);
      }),
  );
}

const repeated = (text: string, before: string[] = []): string[] => [...before, text];

const numbersFrom0 = (text: string): number[] => text.split(',').map((part) => wholeNumber(part.trim()));

interface ChosenAttack {
  /** As it was written. */
  readonly text: string;
  readonly attack: Attack;
  readonly epsilon?: number;
}

function attackFor(command: Command, { attack: specs, epsilon }: ExplainOptions): ChosenAttack | undefined {
  if (specs === undefined) return undefined;
  const [first, second] = Object.entries(attacksFrom(command, { attack: specs }));
  if (second !== undefined) throw new UsageError('tempered explain runs one attack');
  const [text, attack] = first!;
  if (epsilon === undefined && !isMinimal(attack))
    throw new UsageError(`--epsilon is missing: '${text}' searches within a radius`);
  return { text, attack, ...(epsilon !== undefined && { epsilon }) };
}

interface ExplainedModel {
  readonly path: string;
  readonly name: string;
  /** Clean, and attacked. */
  readonly conditions: readonly (ShownCondition & { readonly explained: readonly Explained['attribution'][] })[];
}

interface Run {
  readonly methods: readonly ChosenMethod[];
  readonly inputs: Inputs;
  readonly targets: Int32Array;
  readonly models: readonly ExplainedModel[];
}

async function explainAll(
  runtime: Runtime,
  paths: readonly string[],
  { makeMethods, attack }: { makeMethods: MakeMethods; attack: ChosenAttack | undefined },
  options: ExplainOptions,
  terminal: Terminal,
): Promise<Run> {
  const classifiers: Classifier[] = [];
  for (const path of paths) classifiers.push(await loadClassifier(path, { ...readingOptions(options), runtime }));
  const inputs = await readInputs(classifiers, options, terminal);
  const methods = makeMethods(inputs.background);
  const { images, labels } = inputs;
  const [first] = classifiers;
  const { target } = options;
  if (target !== undefined) checkLabels(first!, [target]);
  const count = images.shape[0]!;
  const targets =
    target === undefined
      ? (labels ?? argmaxRows(await predictLogits(first!, images, { signal: terminal.signal })))
      : new Int32Array(count).fill(target);
  const names = namesOf(paths);
  const models: ExplainedModel[] = [];
  for (const [i, classifier] of classifiers.entries()) {
    const conditions = [
      await explainImages(classifier, images, { methods, inputs, targets, name: names[i]! }, options, terminal),
    ];
    if (attack !== undefined) {
      const adversarial = await attacked(classifier, attack, inputs, options, terminal);
      const task = { methods, inputs, targets, name: `${names[i]!}, attacked` };
      conditions.push(await explainImages(classifier, adversarial, task, options, terminal));
    }
    models.push({ path: paths[i]!, name: names[i]!, conditions });
    await classifier.release();
  }
  return { methods, inputs, targets, models };
}

async function attacked(
  classifier: Classifier,
  { attack, epsilon }: ChosenAttack,
  { images, labels, imageNumbers }: Inputs,
  { seed }: ExplainOptions,
  { signal, onProgress }: Terminal,
): Promise<Tensor> {
  const natural = labels ?? argmaxRows(await predictLogits(classifier, images, { signal }));
  const task = { images, labels: natural, epsilon, seed, imageNumbers, signal, onProgress };
  return (await perturb(classifier, attack, task)).adversarial;
}

async function explainImages(
  classifier: Classifier,
  images: Tensor,
  {
    methods,
    inputs,
    targets,
    name,
  }: { methods: readonly ChosenMethod[]; inputs: Inputs; targets: Int32Array; name: string },
  { of, layer, seed }: ExplainOptions,
  { signal, onProgress }: Terminal,
): Promise<ExplainedModel['conditions'][number]> {
  const logits = await predictLogits(classifier, images, { signal });
  const [predicted, probabilities] = [argmaxRows(logits), softmaxRows(logits)];
  const explained: Explained['attribution'][] = [];
  for (const { method, text } of methods) {
    explained.push(
      await attribute(classifier, {
        ...{ images, method, target: targets, of, layer, seed, imageNumbers: inputs.imageNumbers, signal },
        onProgress: (progress) => onProgress({ ...progress, stage: `${name}, ${text}` }),
      }),
    );
  }
  return {
    images,
    predictions: Array.from(predicted, (k, i) => ({
      label: inputs.classes[k]!,
      probability: probabilities.data[i * inputs.classes.length + k]!,
    })),
    maps: explained.map(({ attributions }) => attributions),
    explained,
  };
}

/** Names of files without their ending; those of two files that share it get numbers. */
function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path, '.onnx'));
  return names.map((name, i) => {
    const place = names.slice(0, i + 1).filter((each) => each === name).length;
    return names.filter((each) => each === name).length > 1 ? `${name}-${place}` : name;
  });
}

/** Images in a figure; those of larger batches are in the .npy files. */
const DRAWN = 16;

/** Files, result and lines for the terminal. */
async function present(
  { methods, inputs, targets, models }: Run,
  { attack, paths }: { attack: ChosenAttack | undefined; paths: readonly string[] },
  options: ExplainOptions,
): Promise<{ files: OutputFiles; result: object; lines: string[] }> {
  const { of, seed, input, data, split, percentile, scale, overlay } = options;
  const drawn = Math.min(inputs.names.length, DRAWN);
  const { table, readings } = attributionFigure({
    ...{ scale, percentile, overlay },
    title: `${list(methods.map(({ text }) => text))}${models.length > 1 ? '' : ` of ${models[0]!.name}`}`,
    lines: linesAbove(models, attack, options),
    models: models.map(({ name, conditions }) => ({
      name,
      conditions: conditions.map((each) => firstOf(each, drawn)),
    })),
    methods: methods.map(({ text, unit }) => ({ label: text, unit })),
    images: inputs.names.slice(0, drawn).map((name, i) => ({
      name,
      explained: inputs.classes[targets[i]!]!,
      ...(inputs.labels && { label: inputs.classes[inputs.labels[i]!]! }),
    })),
    ...(attack && { attack: attackText(attack) }),
  });
  const explained = models.flatMap(({ path, conditions }, m) =>
    conditions.flatMap((condition, c) =>
      condition.explained.map(
        (attribution, k): Explained => ({
          model: path,
          method: methods[k]!,
          attacked: c > 0,
          attribution,
          figures: readings[m]![c]![k]!,
        }),
      ),
    ),
  );
  const context = { of, classes: inputs.classes, numbers: inputs.numbers };
  const records = explained.map((each) => recordOf(each, context));
  const isOnly = records.length === 1;
  const source = data === undefined ? { input: input!.length === 1 ? input![0] : input } : { data, split };
  const picture = { percentile, scale, drawn };
  const result = isOnly
    ? { ...records[0]!, ...source, seed, picture }
    : {
        ...{ models: paths, methods: methods.map(({ text }) => text), ...source, of, seed },
        ...(attack && { attack: attack.attack, epsilon: attack.epsilon }),
        explained: records,
        picture,
      };
  const { svg, ...size } = await drawPictureTable(table, encodePng);
  const files = {
    ...(isOnly ? await singleFiles(models[0]!, drawn, percentile) : arraysOf(models, methods)),
    'figure.png': await rasterise(svg, size),
    'figure.svg': svg,
    'result.json': `${JSON.stringify(result, undefined, 2)}\n`,
  };
  const named = records.map((record, i) => ({
    ...record,
    model: models.find(({ path }) => path === explained[i]!.model)!.name,
  }));
  return { files, result, lines: named.flatMap((record) => linesOf(record, isOnly)) };
}

function linesAbove(
  models: readonly ExplainedModel[],
  attack: ChosenAttack | undefined,
  { data, split }: ExplainOptions,
): string[] {
  return [
    ...(models.length > 1 ? [`Models: ${list(models.map(({ name }) => name))}.`] : []),
    ...(data === undefined ? [] : [`Images of ${basename(data)}, ${split}.`]),
    ...(attack ? [`Attacked: ${attackText(attack)}, each model on its own.`] : []),
  ];
}

const attackText = ({ text, attack, epsilon }: ChosenAttack): string => {
  const of = normOf(attack);
  return epsilon === undefined
    ? text
    : `${text}, ε = ${formatEpsilon(epsilon)}${of === undefined ? '' : ` (${norm(of)})`}`;
};

function firstOf({ images, predictions, maps }: ShownCondition, count: number): ShownCondition {
  return { images: rows(images, 0, count), predictions, maps: maps.map((map) => rows(map, 0, count)) };
}

const fileName = (text: string): string => text.replace(/[^\w.=-]+/g, '-');

function arraysOf(models: readonly ExplainedModel[], methods: readonly ChosenMethod[]): OutputFiles {
  const files: Record<string, Uint8Array> = {};
  const names = shortNames(models.map(({ name }) => name));
  for (const [m, { conditions }] of models.entries())
    for (const [c, { images, maps }] of conditions.entries()) {
      const suffix = c === 0 ? '' : '-attacked';
      if (c > 0) files[`attacked-${fileName(names[m]!)}.npy`] = writeNpy(images);
      for (const [k, map] of maps.entries())
        files[`attribution-${fileName(`${names[m]!}-${methods[k]!.text}`)}${suffix}.npy`] = writeNpy(map);
    }
  return files;
}

const PICTURE_PIXELS = 448;
const GAP = 8;

/** The numbers, and the bare maps of the batch one below the other, by themselves and over their images. */
async function singleFiles({ conditions }: ExplainedModel, drawn: number, percentile: number): Promise<OutputFiles> {
  const { maps } = conditions[0]!;
  const first = firstOf(conditions[0]!, drawn);
  const [map] = drawnMaps(first);
  const shown = shownImages(first.images);
  const [height, width] = map!.shape.slice(2) as [number, number];
  const factor = Math.max(1, Math.floor(PICTURE_PIXELS / Math.max(height, width)));
  const column = (draw: (index: number) => Bitmap): Promise<Uint8Array> =>
    encodePng(
      arrangeGrid(
        Array.from({ length: drawn }, (_, index) => [upscale(draw(index), factor)]),
        { gap: GAP },
      ),
    );
  return {
    'attribution.npy': writeNpy(maps[0]!),
    'attribution.png': await column((index) => renderAttribution(map!, { index, percentile }).bitmap),
    ...(shown && { 'overlay.png': await column((index) => renderOverlay(shown, map!, { index, percentile }).bitmap) }),
  };
}
