import { Command, InvalidArgumentError, Option } from 'commander';
import { type Attribution, attribute } from '../attribution/attribute.ts';
import {
  type AttributionMethod,
  type Baseline,
  type Explained,
  gradientTimesInput,
  integratedGradients,
  plainGradient,
  smoothGrad,
} from '../attribution/method.ts';
import { writeNpy } from '../data/npy.ts';
import { createBitmap, upscale } from '../image/bitmap.ts';
import { encodePng } from '../image/node/encode.ts';
import { renderAttribution } from '../image/render.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { figure } from '../report/format.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { readInput, readTensor } from './input.ts';
import {
  type CommonOptions,
  type ModelOptions,
  nonNegative,
  positiveInteger,
  readingOptions,
  wholeNumber,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkWritable, outputFolder } from './output-folder.ts';
import { runCommand } from './terminal.ts';

type MethodName = AttributionMethod['name'];

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
  of: Explained;
  out: string;
}

/** `tempered explain`: attributions of one model, written as numbers and as a picture. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .description('write the attribution of an image: which pixels count for a class')
    .argument('<MODEL.onnx>', 'ONNX classifier')
    .requiredOption('--input <FILE>', 'an image, or a .npy array with a batch axis (any float range and rank)')
    .option('--method <NAME>', `${[...new Set(Object.values(METHOD_NAMES))].join(', ')}`, methodName, 'gradient')
    .option('--target <K>', 'class to explain (default: the predicted one)', wholeNumber)
    .addOption(new Option('--of <WHAT>', 'what of it').choices(['logit', 'probability', 'loss']).default('logit'))
    .option('--steps <M>', 'integrated gradients: points on the path', positiveInteger, 50)
    .option('--baseline <B>', 'integrated gradients: black, white, mean or a .npy file', 'black')
    .option('--samples <N>', 'SmoothGrad: noisy copies', positiveInteger, 50)
    .option('--sigma <S>', "SmoothGrad: noise, as a share of the input's range", nonNegative, 0.15)
    .requiredOption('--out <DIR>', 'folder for attribution.npy, attribution.png and result.json');
  return withCommonOptions(withModelOptions(command)).action((path: string, options: ExplainOptions) =>
    runCommand(async (terminal) => {
      await checkWritable(options.out, options.json);
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
      const folder = await outputFolder(options.out);
      const { bitmap, clip } = pictureOf(attribution.attributions);
      const result = resultOf(path, options, attribution, classifier, clip);
      await folder.write('attribution.npy', writeNpy({ shape: images.shape, data: attribution.attributions.data }));
      await folder.write('attribution.png', await encodePng(bitmap));
      await folder.write('result.json', `${JSON.stringify(result, undefined, 2)}\n`);
      await report(terminal, options, result, [...linesOf(result), `Written to ${folder.path}`]);
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

async function baselineFrom(text: string): Promise<Baseline> {
  return text === 'black' || text === 'white' || text === 'mean' ? text : readTensor(text);
}

function resultOf(
  path: string,
  { input, method, of, seed }: ExplainOptions,
  attribution: Attribution,
  classifier: Classifier,
  clip: number,
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
      ...(attribution.completeness && { completeness: attribution.completeness[i] }),
    })),
    picture: { percentile: 99, clip },
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

/** The maps of the batch one below the other; other than images, one row of cells an input. */
function pictureOf(attributions: Tensor): ReturnType<typeof renderAttribution> {
  const [count = 1, ...rest] = attributions.shape;
  const isImage = rest.length === 3;
  const [channels, height, width] = isImage ? rest : [1, 1, Math.max(1, sizeOf(rest))];
  const maps = { shape: [count, channels!, height!, width!], data: attributions.data };
  const factor = Math.max(1, Math.floor(PICTURE_PIXELS / Math.max(height!, width!)));
  const pictures = Array.from({ length: count }, (_, index) => renderAttribution(maps, { index }));
  const bitmap = createBitmap(width!, height! * count, [255, 255, 255, 255]);
  pictures.forEach((picture, i) => {
    bitmap.data.set(picture.bitmap.data, i * picture.bitmap.data.length);
  });
  return { ...pictures[0]!, bitmap: upscale(bitmap, factor) };
}
