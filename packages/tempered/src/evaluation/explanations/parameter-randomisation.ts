/** @file Whether a method's maps depend on what the network has learned: weights are drawn anew, layer by layer. */
import type { Tensor as GraphTensor } from 'onnx-grad';
import { type AttributionMethod, attribute } from '../../attribution/attribute.ts';
import type { Explained } from '../../attribution/explained.ts';
import { UsageError } from '../../errors.ts';
import { type ArchitectureName, architectures, createModel } from '../../models/architectures/index.ts';
import { Classifier, type ModelDescription } from '../../models/classifier.ts';
import { predict } from '../../models/predict.ts';
import { type WeightLayer, weightLayers, withConstantsAsInitializers } from '../../models/weight-layers.ts';
import type { Work } from '../../progress.ts';
import { createRandom, type Random } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import { type Proportion, proportion } from '../accuracy.ts';
import {
  type MapSimilarityOptions,
  type MeanSimilarity,
  mapSimilarity,
  meanSimilarity,
  type SimilarityName,
  similarityBy,
  similarityInWords,
} from './map-similarity.ts';
import type { MeasureKind } from './measure.ts';

/**
 * Which layers are random at each stage: from the output down to the one named, from the input up to it, or it alone
 * (Adebayo et al. 2018, §3.1 and §3.2).
 */
export type RandomisationOrder = 'top-down' | 'bottom-up' | 'independent';

/**
 * How weights are drawn: normal numbers with the mean and the standard deviation of each tensor; its own values in
 * random order; or as the architecture draws them before training, for models whose file names one of ours.
 * Biases, scales and statistics are only put in random order by `normal`: a variance must stay above 0.
 */
export const REDRAWS = ['normal', 'permuted', 'initial'] as const;
export type Redraw = (typeof REDRAWS)[number];

export interface ParameterRandomisationOptions extends Work, MapSimilarityOptions {
  /** [N, C, H, W] in [0, 1]. */
  images: Tensor;
  method: AttributionMethod;
  /** Default: top-down. */
  order?: RandomisationOrder;
  /** Default: normal. */
  redraw?: Redraw;
  /** Names of weights, as `weightLayers` lists them. Default: every layer. */
  layers?: readonly string[];
  /** Default: the class that the model predicts with its own weights. */
  target?: number | ArrayLike<number>;
  /** Default: the logit. */
  of?: Explained;
  /** Of the weights, and of the method where it is random. Default 0. */
  seed?: number;
  imageNumbers?: ArrayLike<number>;
  batchSize?: number;
}

export interface RandomisedStage {
  /** The layer that was drawn last. */
  readonly layer: string;
  /** Layers that are random, of all. */
  readonly randomised: number;
  readonly layers: number;
  /** Of the maps to those of the model with its own weights. */
  readonly similarity: MeanSimilarity;
  /** Images that the model still takes for the same class: how much of it is left. */
  readonly samePrediction: Proportion;
}

/**
 * The model parameter randomisation test of Adebayo et al. 2018 ("Sanity Checks for Saliency Maps"): maps of a method that
 * explains the network must change when its weights do. A method whose maps stay alike shows the image, not the model.
 * Works on any classifier: the weights are exchanged in its graph.
 *
 * @returns one entry a stage, in the order of drawing; in cascades each stage keeps the weights of the ones before
 * @throws UsageError for a model without float weights, a layer that it does not have, or `initial` without an architecture
 * @example
 * const stages = await parameterRandomisation(classifier, { images, method: plainGradient() });
 */
export async function parameterRandomisation(
  classifier: Classifier,
  options: ParameterRandomisationOptions,
): Promise<RandomisedStage[]> {
  const { images, method, of, order = 'top-down', redraw = 'normal', k, seed = 0, imageNumbers, batchSize } = options;
  const { signal, onProgress } = options;
  const model = classifier.description;
  const chosen = chooseLayers(withWeightsAsInitializers(model), options.layers).map(({ name }) => name);
  const work = { imageNumbers, batchSize, signal };
  const own = await predict(classifier, images, work);
  const explain = async (explained: Classifier) => {
    const task = { ...work, images, method, of, seed, target: options.target ?? own };
    return (await attribute(explained, task)).attributions;
  };
  const before = await explain(classifier);
  const stages: RandomisedStage[] = [];
  const sequence = order === 'top-down' ? chosen.toReversed() : chosen;
  for (const [stage, name] of sequence.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ stage: 'parameter randomisation', done: stage, total: sequence.length, detail: name });
    const layers = order === 'independent' ? [name] : sequence.slice(0, stage + 1);
    const random = new Classifier(withRandomLayers(model, { layers, redraw, seed }), classifier.runtime);
    try {
      const after = await explain(random);
      const predictions = await predict(random, images, work);
      stages.push({
        layer: name,
        randomised: layers.length,
        layers: chosen.length,
        similarity: meanSimilarity(mapSimilarity(before, after, { k })),
        samePrediction: proportion(predictions.filter((p, i) => p === own[i]).length, predictions.length),
      });
    } finally {
      await random.release();
    }
  }
  onProgress?.({ stage: 'parameter randomisation', done: sequence.length, total: sequence.length });
  return stages;
}

/**
 * A model some of whose layers are drawn anew. What a layer becomes depends on the seed and its name alone.
 *
 * @param layers names of weights; default: every layer
 * @throws UsageError as `parameterRandomisation`
 * @example
 * const random = new Classifier(withRandomLayers(classifier.description), classifier.runtime);
 */
export function withRandomLayers(
  description: ModelDescription,
  { layers, redraw = 'normal', seed = 0 }: { layers?: readonly string[]; redraw?: Redraw; seed?: number } = {},
): ModelDescription {
  const model = withWeightsAsInitializers(description);
  const draw = drawing(model, redraw, seed);
  const initializers = new Map(model.graph.initializers);
  for (const name of chooseLayers(model, layers).flatMap(({ parameters }) => parameters)) {
    const tensor = initializers.get(name)!;
    const data = draw(name, tensor);
    if (data.length !== tensor.data.length)
      throw new UsageError(
        `'${model.name}' was changed since it was made: '${name}' has another size than at its start`,
      );
    initializers.set(name, { dtype: 'float32', shape: tensor.shape, data });
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

const withWeightsAsInitializers = (model: ModelDescription): ModelDescription => ({
  ...model,
  graph: withConstantsAsInitializers(model.graph),
});

function chooseLayers(model: ModelDescription, names: readonly string[] | undefined): WeightLayer[] {
  const all = weightLayers(model);
  if (all.length === 0)
    throw new UsageError(`'${model.name}' has no float weights that could be drawn anew: is it quantised?`);
  const unknown = names?.find((name) => !all.some((layer) => layer.name === name));
  if (unknown !== undefined)
    throw new UsageError(
      `'${model.name}' has no layer with the weights '${unknown}'; there are ${all.map(({ name }) => name).join(', ')}`,
    );
  return names === undefined ? all : all.filter(({ name }) => names.includes(name));
}

/** New values of a parameter. */
type Draw = (name: string, tensor: GraphTensor) => Float32Array;

function drawing(model: ModelDescription, redraw: Redraw, seed: number): Draw {
  const random = (name: string): Random => createRandom(seed, 'parameter randomisation', name);
  if (redraw === 'initial') {
    const fresh = initialModel(model, seed);
    return (name) => floats(name, fresh.graph.initializers.get(name));
  }
  return (name, tensor) => {
    const values = floats(name, tensor);
    const isWeights = tensor.shape.filter((length) => length > 1).length > 1;
    return redraw === 'normal' && isWeights ? normalLike(values, random(name)) : permuted(values, random(name));
  };
}

function normalLike(values: Float32Array, random: Random): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const drawn = new Float32Array(values.length);
  random.fillNormal(drawn, mean, Math.sqrt(variance));
  return drawn;
}

function permuted(values: Float32Array, random: Random): Float32Array {
  const order = random.shuffle(values.length);
  return values.map((_, i) => values[order[i]!]!);
}

/** The model before training, from a seed that is not the one it may have been trained from. */
function initialModel(model: ModelDescription, seed: number): ModelDescription {
  const architecture = model.graph.metadata['tempered.architecture'];
  const [channels, height, width] = model.inputShape;
  if (!isArchitecture(architecture) || model.inputShape.length !== 3)
    throw new UsageError(
      `'${model.name}' does not say how its weights were drawn: take 'normal' or 'permuted' instead of 'initial'`,
    );
  return createModel({
    architecture,
    inputShape: [channels!, height!, width!],
    classes: model.classes,
    seed: createRandom(seed, 'parameter randomisation').bits(),
  });
}

const isArchitecture = (name: string | undefined): name is ArchitectureName =>
  name !== undefined && Object.hasOwn(architectures, name);

function floats(name: string, tensor: GraphTensor | undefined): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new UsageError(
    tensor === undefined
      ? `the architecture has no parameter '${name}': take 'normal' or 'permuted' instead of 'initial'`
      : `the weights '${name}' are ${tensor.dtype}, not float32: they cannot be drawn anew`,
  );
}

/** How alike maps stay when every weight is random, as a measure of explanations. */
export interface DependenceOnParameters {
  readonly name: 'parameter-randomisation';
  readonly redraw: Redraw;
  readonly by: SimilarityName;
}

/**
 * The last stage of the cascade of `parameterRandomisation`: similarity of each map to that of the same network with all
 * layers drawn anew. Low is better; a map that shows the image and not the network keeps a high score.
 */
export const dependenceOnParameters = ({
  redraw = 'normal',
  by = 'spearman-absolute',
}: {
  /** Default: normal. */
  redraw?: Redraw;
  /** Default: Spearman's ρ of magnitudes. */
  by?: SimilarityName;
} = {}): DependenceOnParameters => ({ name: 'parameter-randomisation', redraw, by });

export const dependenceOnParametersKind: MeasureKind<DependenceOnParameters> = {
  summary: 'how alike the map stays when all weights are random',
  async score({ classifier, images, attributions, explain, seed }, { redraw, by }) {
    const random = new Classifier(withRandomLayers(classifier.description, { redraw, seed }), classifier.runtime);
    try {
      return similarityBy(by, attributions, await explain!(images, random));
    } finally {
      await random.release();
    }
  },
  better: () => 'lower',
  over: 'mean',
  needs: ['explain'],
  acrossModels: () => true,
  control: () => 'dependence',
  protocol: ({ redraw, by }) =>
    `${similarityInWords(by)} between the map and that of the same network with every layer drawn anew (${redraw}; Adebayo et al. 2018)`,
};
