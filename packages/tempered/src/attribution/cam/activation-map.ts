/** @file Maps made of a layer's activations and of the gradient by them, in one pass: Grad-CAM and its kin. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { explained } from '../explained.ts';
import type { Task } from '../explanation.ts';
import { checkDependence } from '../layer.ts';
import type { OnePass } from '../one-pass.ts';
import { parseUnit } from '../unit.ts';
import { lastFeatureMap } from './default-layer.ts';
import { type Resizing, resized } from './resizing.ts';

export interface MapOptions {
  /** Negative evidence is left out, before the map is resized. */
  relu?: boolean;
  /** How the map is brought to the size of the image. Default `'bilinear'`, pixel centres at half integers. */
  resize?: Resizing;
}

/** From activations and gradients [N, C, ...space], the map [N, 1, ...space]. */
export type MapFormula = (g: GraphBuilder, activations: Value, slopes: Value) => Value;

/** From activations and gradients [N, C, ...space], a weight for each channel, [N, C, 1 ...]. */
export type ChannelWeights = MapFormula;

/** The map Σ_c w_c A_c. */
export const weighed =
  (weights: ChannelWeights): MapFormula =>
  (g, activations, slopes) =>
    acrossChannels(g, g.mul(activations, weights(g, activations, slopes)));

export const acrossChannels = (g: GraphBuilder, x: Value): Value => g.reduceSum(x, [1], true);

/** Axes of the positions of [N, C, ...space]; none in a dense layer. */
export const positionAxes = ({ shape }: Value): number[] => shape.slice(2).map((_, i) => i + 2);

/** Leaves negative evidence out where asked to, and brings the map to its size. */
export function finished(
  g: GraphBuilder,
  map: Value,
  inputShape: readonly number[],
  { relu, resize }: Required<MapOptions>,
): Value {
  return resized(g, relu ? g.relu(map) : map, inputShape, resize);
}

/** The layer whose activations are weighed: the task's, or the last feature map that what is explained is computed from. */
export function weighedLayer({ layer, classifier, of }: Task): string {
  if (layer !== undefined) return layer;
  const isUnit = typeof of === 'object' && 'unit' in of;
  return lastFeatureMap(classifier.description, isUnit ? parseUnit(of.unit).layer : undefined);
}

/**
 * The gradient of what is explained by the activations of a layer.
 *
 * @throws UsageError where it does not depend on the layer, whose map would be empty
 */
export function slopesAt(g: GraphBuilder, output: Value, activations: Value, layer: string): Value {
  checkDependence(g, output, activations, layer);
  return gradient(g, { of: output, wrt: [activations] })[0]!;
}

/** A method that is a formula of activations and gradients at one layer. */
export function mapPass(name: string, formula: MapFormula, options: Required<MapOptions>, task: Task): OnePass {
  const layer = weighedLayer(task);
  const { inputShape } = task.classifier;
  return {
    name,
    key: `${name}, relu ${options.relu}, resize ${options.resize}`,
    passes: { forwards: 1, backwards: 1 },
    layer,
    write: ({ g, model, x, target, of }) => {
      const applied = model(x);
      const activations = applied.value(layer);
      const output = explained(g, applied, target, of);
      const slopes = slopesAt(g, output, activations, layer);
      return { attributions: finished(g, formula(g, activations, slopes), inputShape, options), output };
    },
  };
}
