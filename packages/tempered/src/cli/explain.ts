import { Command, InvalidArgumentError, Option } from 'commander';
import { type Attribution, type AttributionMethod, attribute } from '../attribution/attribute.ts';
import type { Baseline } from '../attribution/baseline.ts';
import { EXPLAINED, type Explained } from '../attribution/explained.ts';
import { gradientTimesInput, plainGradient } from '../attribution/gradient.ts';
import { integratedGradients } from '../attribution/integrated-gradients.ts';
import { smoothGrad } from '../attribution/smoothgrad.ts';
import { writeNpy } from '../data/npy.ts';
import { UsageError } from '../errors.ts';
import { arrangeGrid, type Bitmap, upscale } from '../image/bitmap.ts';
import { encodePng } from '../image/node/encode.ts';
import { type AttributionPicture, renderAttribution, renderOverlay } from '../image/render.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { figure } from '../report/format.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { readInput, readTensor } from './input.ts';
import {
  type CommonOptions,
  type ModelOptions,
  nonNegative,
  noteIgnored,
  positiveInteger,
  readingOptions,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder, writeOutput } from './output-folder.ts';
import { runCommand } from './terminal.ts';

type MethodName = 'gradient' | 'gradient-times-input' | 'smoothgrad' | 'integrated-gradients';

/** Names that users of other tools know, beside our own. */
const METHOD_NAMES: Readonly<Record<string, MethodName>> = {
  gradient: 'gradient',
  'gradient-times-input': 'gradient-times-input',
  'input-x-gradient': 'gradient-times-input',
  smoothgrad: 'smoothgrad',
  'integrated-gradients': 'integrated-gradients',
  ig: 'integrated-gradients',
};

interface ExplainOptions extends CommonOptions, ModelOptions {
  input: string;
  method: MethodName;
  target?: number;
  steps: number;
  baseline: string;
  samples: number;
  sigma: number;
  of: Extract<Explained, string>;
  out: string;
}

/** `tempered explain`: attributions of one model, written as numbers and as a picture. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .summary('attribution of an image: which pixels count')
    .description('write the attribution of an image: which pixels count for a class')
    .argument('<MODEL.onnx>', 'ONNX classifier')
    .requiredOption('--input <FILE>', 'an image, or a .npy array with a batch axis (any float range and rank)')
    .option('--method <NAME>', `${[...new Set(Object.values(METHOD_NAMES))].join(', ')}`, methodName, 'gradient')
    .option('--target <K>', 'class to explain (default: the predicted one)', wholeNumber)
    .addOption(new Option('--of <WHAT>', 'what of it').choices(EXPLAINED).default('logit'))
    .option('--steps <M>', 'integrated gradients: points on the path', positiveInteger, 50)
    .option('--baseline <B>', 'integrated gradients: black, white, mean or a .npy file', 'black')
    .option('--samples <N>', 'SmoothGrad: noisy copies', positiveInteger, 50)
    .option('--sigma <S>', "SmoothGrad: noise, as a share of the input's range", nonNegative, 0.15)
    .requiredOption('--out <DIR>', 'folder for attribution.npy, attribution.png and result.json');
  return withCommonOptions(withModelOptions(command)).action(
    (path: string, options: ExplainOptions, command: Command) =>
      runCommand(async (terminal) => {
        noteIgnored(command, unusedBy(options.method), `with --method ${options.method}`);
        await checkFolder(options.out);
        await checkFile(options.json);
        const method = await methodFrom(options);
        const { attribution, images, classifier } = await withRuntime(options, async (runtime) => {
          const classifier = await loadClassifier(path, { ...readingOptions(options), runtime });
          const images = await readInput(options.input, classifier);
          const { signal, onProgress } = terminal;
          const { target, of, seed } = options;
          return {
            attribution: await attribute(classifier, { images, method, target, of, seed, signal, onProgress }),
            images,
            classifier,
          };
        });
        const maps = attribution.attributions;
        const { bitmap, clips } = draw(maps);
        const result = resultOf(path, options, attribution, classifier, clips);
        await writeOutput(options.out, {
          'attribution.npy': writeNpy({ shape: images.shape, data: maps.data }),
          'attribution.png': await encodePng(bitmap),
          ...(isImage(images) && { 'overlay.png': await encodePng(draw(maps, images).bitmap) }),
          'result.json': `${JSON.stringify(result, undefined, 2)}\n`,
        });
        await report(terminal, options, result, [...linesOf(result), `Written to ${options.out}`]);
      }),
  );
}

function methodName(text: string): MethodName {
  const name = METHOD_NAMES[text.toLowerCase()];
  if (name === undefined)
    throw new InvalidArgumentError(`There is no method '${text}'; there are ${Object.keys(METHOD_NAMES).join(', ')}.`);
  return name;
}

async function methodFrom({ method, steps, baseline, samples, sigma }: ExplainOptions): Promise<AttributionMethod> {
  switch (method) {
    case 'gradient':
      return plainGradient();
    case 'gradient-times-input':
      return gradientTimesInput();
    case 'smoothgrad':
      return smoothGrad({ samples, sigma });
    case 'integrated-gradients':
      return integratedGradients({ steps, baseline: await baselineFrom(baseline) });
  }
}

/** Options that a method does not look at. */
const unusedBy = (method: MethodName): string[] => [
  ...(method === 'smoothgrad' ? [] : ['samples', 'sigma']),
  ...(method === 'integrated-gradients' ? [] : ['steps', 'baseline']),
];

async function baselineFrom(text: string): Promise<Baseline> {
  if (text === 'black' || text === 'white' || text === 'mean') return text;
  if (!text.toLowerCase().endsWith('.npy'))
    throw new UsageError(`there is no baseline '${text}': take black, white, mean or a .npy file`);
  return readTensor(text);
}

function resultOf(
  path: string,
  { input, method, of, seed }: ExplainOptions,
  attribution: Attribution,
  classifier: Classifier,
  clips: readonly number[],
) {
  return {
    model: path,
    input,
    method,
    of,
    seed,
    shape: attribution.attributions.shape,
    explanations: Array.from(attribution.targets, (target, i) => ({
      target,
      class: classifier.classes[target],
      output: attribution.output[i],
      ...(attribution.certificate?.completeness && { completeness: attribution.certificate.completeness[i] }),
      clip: clips[i],
    })),
    picture: { percentile: PERCENTILE, drawn: clips.length },
  };
}

function linesOf({ explanations, of }: ReturnType<typeof resultOf>): string[] {
  return explanations.map(({ target, class: name, output, completeness }, i) => {
    const error = completeness
      ? `, completeness error ${figure(completeness.error)} (${(100 * completeness.relativeError).toFixed(2)}%)`
      : '';
    return `${i + 1}: ${of} of class ${target} (${name}) = ${figure(output!)}${error}`;
  });
}

const PICTURE_PIXELS = 448;
/** Maps below each other in one picture; those of larger batches are in the .npy file. */
const DRAWN = 16;
const GAP = 8;
const PERCENTILE = 99;

const isImage = ({ shape: [, channels, ...size] }: Tensor): boolean =>
  size.length === 2 && (channels === 1 || channels === 3);

/** The maps of the batch one below the other, over their images if given; other than images, one row of cells an input. */
function draw(attributions: Tensor, images?: Tensor): { bitmap: Bitmap; clips: number[] } {
  const [count = 1, ...rest] = attributions.shape;
  const [channels, height, width] = rest.length === 3 ? rest : [1, 1, sizeOf(rest)];
  const shape = [count, channels!, height!, width!];
  const maps = { shape, data: attributions.data };
  const shown = images && { shape, data: toUnitRange(images.data) };
  const pictures = Array.from({ length: Math.min(count, DRAWN) }, (_, index): AttributionPicture => {
    const options = { index, percentile: PERCENTILE };
    return shown ? renderOverlay(shown, maps, options) : renderAttribution(maps, options);
  });
  const factor = Math.max(1, Math.floor(PICTURE_PIXELS / Math.max(height!, width!)));
  const cells = pictures.map(({ bitmap }) => [upscale(bitmap, factor)]);
  return { bitmap: arrangeGrid(cells, { gap: GAP }), clips: pictures.map(({ clip }) => clip) };
}

/** Pixels in [0, 1] as they are; others, such as normalised ones, stretched to it, so that the object can be seen. */
function toUnitRange(pixels: Float32Array): Float32Array {
  const lowest = pixels.reduce((a, b) => Math.min(a, b), 0);
  const highest = pixels.reduce((a, b) => Math.max(a, b), 1);
  return lowest === 0 && highest === 1 ? pixels : pixels.map((value) => (value - lowest) / (highest - lowest));
}
