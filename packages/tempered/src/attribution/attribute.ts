/** @file Every method of attribution by name, and `attribute`, which runs one: methods are plain data made by the functions beside this file. */
import { DataError, UsageError } from '../errors.ts';
import { checkBatchSize, defaultBatchSize, oneHot } from '../models/batching.ts';
import { type Classifier, checkImages } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import type { Work } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import { type Activation, activationPass } from './activation.ts';
import { type Edges, edgesPass } from './baselines/edges.ts';
import { explainRandom, type RandomAttribution } from './baselines/random.ts';
import { type Cam, camPass } from './cam/cam.ts';
import { type GradCam, gradCamPass } from './cam/grad-cam.ts';
import { type GradCamPlusPlus, gradCamPlusPlusPass } from './cam/grad-cam-plus-plus.ts';
import { type HiResCam, hiResCamPass } from './cam/hires-cam.ts';
import { type LayerCam, layerCamPass } from './cam/layer-cam.ts';
import { explainScoreCam, type ScoreCam } from './cam/score-cam.ts';
import { type XGradCam, xGradCamPass } from './cam/xgrad-cam.ts';
import { checkChoice } from './check-choice.ts';
import {
  type Conductance,
  explainConductance,
  explainNeuronConductance,
  type NeuronConductance,
} from './conductance.ts';
import { type DeepLift, explainDeepLift } from './deep-lift.ts';
import { type DeepShap, explainDeepShap } from './deep-shap.ts';
import { type ExcitationBackprop, excitationBackpropPass } from './excitation-backprop.ts';
import {
  type ExpectedGradients,
  explainExpectedGradients,
  explainGradientShap,
  type GradientShap,
} from './expected-gradients.ts';
import { EXPLAINED, type Explained } from './explained.ts';
import type { Cost, Explain, Explanation, Methods, Task } from './explanation.ts';
import { type Gradient, type GradientTimesInput, gradientPass, gradientTimesInputPass } from './gradient.ts';
import { type Deconvnet, type GuidedBackprop, rectifiedPass } from './guided-backprop.ts';
import { type GuidedGradCam, guidedGradCamPass } from './guided-grad-cam.ts';
import { explainIntegratedGradients, type IntegratedGradients } from './integrated-gradients.ts';
import { explainInternalInfluence, type InternalInfluence } from './internal-influence.ts';
import { resolveLayer } from './layer.ts';
import { type Lrp, lrpPass } from './lrp/lrp.ts';
import { explainInOnePass, type OnePass } from './one-pass.ts';
import { type ExactShapley, explainExactShapley } from './perturbation/exact-shapley.ts';
import { explainFeatureAblation, type FeatureAblation } from './perturbation/feature-ablation.ts';
import { explainKernelShap, type KernelShap } from './perturbation/kernel-shap.ts';
import { explainLime, type Lime } from './perturbation/lime.ts';
import { explainOcclusion, type Occlusion } from './perturbation/occlusion.ts';
import { explainRise, type Rise } from './perturbation/rise.ts';
import { explainShapleySampling, type ShapleySampling } from './perturbation/shapley-sampling.ts';
import {
  explainSmoothGrad,
  explainSmoothGradSquared,
  explainVarGrad,
  type SmoothGrad,
  type SmoothGradSquared,
  type VarGrad,
} from './smoothgrad.ts';
import { parseUnit } from './unit.ts';

/** A description of a method of attribution. */
export type AttributionMethod =
  | Gradient
  | GradientTimesInput
  | IntegratedGradients
  | SmoothGrad
  | SmoothGradSquared
  | VarGrad
  | ExpectedGradients
  | GradientShap
  | Conductance
  | NeuronConductance
  | InternalInfluence
  | Activation
  | DeepLift
  | DeepShap
  | Cam
  | GradCam
  | GradCamPlusPlus
  | XGradCam
  | HiResCam
  | LayerCam
  | ScoreCam
  | GuidedBackprop
  | Deconvnet
  | GuidedGradCam
  | Lrp
  | ExcitationBackprop
  | Occlusion
  | FeatureAblation
  | Rise
  | Lime
  | KernelShap
  | ShapleySampling
  | ExactShapley
  | RandomAttribution
  | Edges;

type Named<Name> = Extract<AttributionMethod, { name: Name }>;

/** How a method is carried out: by one program, or by a function that runs several. */
type Kind<Method> = { readonly pass: (method: Method, task: Task) => OnePass } | { readonly explain: Explain<Method> };

const kinds: { readonly [Name in AttributionMethod['name']]: Kind<Named<Name>> } = {
  gradient: { pass: gradientPass },
  'gradient-times-input': { pass: gradientTimesInputPass },
  'integrated-gradients': { explain: explainIntegratedGradients },
  smoothgrad: { explain: explainSmoothGrad },
  'smoothgrad-squared': { explain: explainSmoothGradSquared },
  vargrad: { explain: explainVarGrad },
  'expected-gradients': { explain: explainExpectedGradients },
  'gradient-shap': { explain: explainGradientShap },
  conductance: { explain: explainConductance },
  'neuron-conductance': { explain: explainNeuronConductance },
  'internal-influence': { explain: explainInternalInfluence },
  activation: { pass: activationPass },
  'deep-lift': { explain: explainDeepLift },
  'deep-shap': { explain: explainDeepShap },
  cam: { pass: camPass },
  'grad-cam': { pass: gradCamPass },
  'grad-cam++': { pass: gradCamPlusPlusPass },
  'xgrad-cam': { pass: xGradCamPass },
  'hires-cam': { pass: hiResCamPass },
  'layer-cam': { pass: layerCamPass },
  'score-cam': { explain: explainScoreCam },
  'guided-backprop': { pass: rectifiedPass },
  deconvnet: { pass: rectifiedPass },
  'guided-grad-cam': { pass: guidedGradCamPass },
  lrp: { pass: lrpPass },
  'excitation-backprop': { pass: excitationBackpropPass },
  occlusion: { explain: explainOcclusion },
  'feature-ablation': { explain: explainFeatureAblation },
  rise: { explain: explainRise },
  lime: { explain: explainLime },
  'kernel-shap': { explain: explainKernelShap },
  'shapley-sampling': { explain: explainShapleySampling },
  'exact-shapley': { explain: explainExactShapley },
  random: { explain: explainRandom },
  edges: { pass: edgesPass },
};

export interface AttributeOptions extends Work {
  /** [N, ...input shape]; images in [0, 1]. */
  images: Tensor;
  method: AttributionMethod;
  /** Class to explain, one for all or one an image. Default: the predicted class. */
  target?: number | ArrayLike<number>;
  /** Default: the class's logit. */
  of?: Explained;
  /**
   * A value of the ONNX file, or the node that computes it: its elements get the attributions. Default: the input's do.
   * For class activation maps, the feature map that is weighed.
   */
  layer?: string;
  /**
   * Of whatever is random, the noise of a random model too: that is drawn run by run, so that it is the same again for the
   * same images in batches of the same size. Default 0.
   */
  seed?: number;
  /** Number of each image in its data set: randomness depends on (seed, image number) alone. Default 0, 1, 2 ... */
  imageNumbers?: ArrayLike<number>;
  /** Images, or points of one image, in one run; default: at most 50, fewer for large images. The result does not depend on it beyond rounding. */
  batchSize?: number;
}

export interface Attribution extends Explanation {
  /** The class explained, [N]. */
  readonly targets: Int32Array;
  readonly cost: Cost;
  readonly seed: number;
}

/**
 * Attributions of images: how much each input value counts for what is explained.
 *
 * @throws UsageError when images, target, layer or the method's numbers do not fit, or a pixel is not finite; DataError
 * when the model's output is not
 * @example
 * const { attributions, certificate } = await attribute(classifier, { images, method: integratedGradients({ steps: 100 }) });
 */
export async function attribute(classifier: Classifier, options: AttributeOptions): Promise<Attribution> {
  const { images, method, of = 'logit', batchSize = defaultBatchSize(classifier.description), seed = 0 } = options;
  const { signal, onProgress } = options;
  checkImages(classifier, images);
  checkFinite(options);
  checkBatchSize(batchSize);
  if (images.shape[0] === 0) return { ...NOTHING, attributions: images, seed };
  const imageNumbers = options.imageNumbers ?? Int32Array.from({ length: images.shape[0]! }, (_, i) => i);
  checkChoice('method', method.name, Object.keys(kinds));
  if (typeof of === 'string') checkChoice('of', of, EXPLAINED);
  checkClassesFor(classifier, of);
  classifier.seedNoise(seed);
  const cost = { forwards: 0, backwards: 0 };
  const targets = await resolveTargets(classifier, { ...options, imageNumbers, batchSize }, cost);
  const layer = options.layer === undefined ? undefined : resolveLayer(classifier.description, options.layer);
  const explanation = await methods.explain(
    {
      classifier,
      images,
      of: resolveUnit(classifier, of),
      targets,
      targetRows: targetRows(classifier, targets, of),
      ...(layer !== undefined && { layer }),
      seed,
      imageNumbers,
      batchSize,
      cost,
      signal,
      onProgress,
    },
    method,
  );
  checkOutput(classifier, explanation.output, imageNumbers);
  return { ...(layer !== undefined && { layer }), ...explanation, targets, cost, seed };
}

/** The result for no images. */
const NOTHING = { output: new Float32Array(0), targets: new Int32Array(0), cost: { forwards: 0, backwards: 0 } };

const methods: Methods = {
  explain(task, method) {
    // The table is typed by name; TypeScript loses the tie between a name and its method here.
    const kind = kinds[method.name] as Kind<AttributionMethod>;
    return 'pass' in kind ? explainInOnePass(task, kind.pass(method, task)) : kind.explain(task, method, methods);
  },
  onePass(method, task) {
    const kind = kinds[method.name] as Kind<AttributionMethod>;
    return 'pass' in kind ? kind.pass(method, task) : undefined;
  },
};

async function resolveTargets(
  classifier: Classifier,
  { images, target, imageNumbers, of, signal, batchSize }: AttributeOptions,
  cost: Cost,
): Promise<Int32Array> {
  const count = images.shape[0]!;
  if (isUnit(of)) return new Int32Array(count);
  if (target !== undefined) return classesOf(classifier, target, count);
  cost.forwards += count;
  return predict(classifier, images, { signal, batchSize, imageNumbers });
}

/** One logit has no rival, and its softmax is always 1. */
function checkClassesFor({ description: { name, classes } }: Classifier, of: Explained): void {
  if (classes.length > 1 || of === 'logit' || isUnit(of)) return;
  const what = typeof of === 'string' ? `its ${of}` : 'its difference from another logit';
  throw new UsageError(`'${name}' has one logit: ${what} says nothing; explain the logit`);
}

/** As `predict` refuses logits that are not finite. */
function checkOutput({ description }: Classifier, output: Float32Array, imageNumbers: ArrayLike<number>): void {
  const image = output.findIndex((value) => !Number.isFinite(value));
  if (image < 0) return;
  throw new DataError(
    `what is explained of '${description.name}' is ${output[image]} for image ${imageNumbers[image]}: its attributions would mean nothing`,
  );
}

const isUnit = (of: Explained | undefined): of is { unit: string } => typeof of === 'object' && 'unit' in of;

function classesOf(classifier: Classifier, target: number | ArrayLike<number>, count: number): Int32Array {
  const targets = typeof target === 'number' ? new Array<number>(count).fill(target) : target;
  checkLabels(classifier, targets, count);
  return Int32Array.from(targets);
}

/** One-hot rows, minus those of the classes that they are compared with. */
function targetRows(classifier: Classifier, targets: Int32Array, of: Explained): Tensor {
  const classes = classifier.classes.length;
  const result = oneHot(targets, classes);
  if (typeof of === 'string' || !('minus' in of)) return result;
  const others = classesOf(classifier, of.minus, targets.length);
  others.forEach((other, i) => {
    result.data[i * classes + other]! -= 1;
  });
  return result;
}

/** The unit's layer by its name in the file. */
function resolveUnit(classifier: Classifier, of: Explained): Explained {
  if (!isUnit(of)) return of;
  const { layer, channel, position = [] } = parseUnit(of.unit);
  return { unit: [resolveLayer(classifier.description, layer), channel, ...position].join(':') };
}

/** A map of numbers that are none would look like a map without relevance. */
function checkFinite({ images, imageNumbers }: AttributeOptions): void {
  const count = images.shape[0]!;
  if (imageNumbers !== undefined && imageNumbers.length !== count)
    throw new UsageError(`${count} images were given with ${imageNumbers.length} numbers`);
  const at = images.data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const image = Math.floor(at / (images.data.length / count));
  throw new UsageError(
    `image ${imageNumbers?.[image] ?? image} has the value ${images.data[at]}: it cannot be explained`,
  );
}
