/**
 * @file Forms of a model with usable gradients, for a search that its own gradients mislead. They are for gradients
 * alone: whether an image is adversarial is always asked of the model itself (`perturb`'s `surrogate`).
 */
import type { Graph, GraphBuilder, Node, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { AppliedModel, ModelDescription } from './classifier.ts';
import type { NoiseSource } from './noise.ts';

/**
 * Gradients of `to` go to `from` unchanged (straight-through estimator, Bengio et al. 2013; BPDA, Athalye et al. 2018,
 * §4.1), or nowhere without a `from`. Both have one shape.
 */
export interface Detour {
  readonly from?: string;
  readonly to: string;
}

/** How the gradient of a model is taken where its own is of no use. Names are those of the specialised graph. */
export interface GradientRepair {
  readonly straightThrough?: readonly Detour[];
  /**
   * The logits are the mean over several draws of the model's own noise (expectation over transformation, Athalye et al.
   * 2018, §4.2), and of Gaussian noise of this standard deviation, in pixel units, on the input.
   */
  readonly average?: { readonly draws: number; readonly deviation: number };
  /** Factor on the logits: scores that are very far apart leave cross-entropy without a gradient. */
  readonly scale?: number;
}

/**
 * A model whose gradients are taken another way. Several repairs add up.
 *
 * @param logits value to take as logits: what goes into a softmax at the end of the model
 * @throws UsageError for fewer than one draw, a negative deviation or a factor that is not above 0
 * @example
 * const surrogate = new Classifier(repaired(model, { straightThrough: [{ from: 'hidden', to: 'rounded' }] }), runtime);
 * const { success } = await perturb(classifier, pgd(), { images, labels, epsilon: 0.1, surrogate });
 */
export function repaired(
  model: ModelDescription,
  {
    logits = model.logits,
    straightThrough = [],
    average = model.repair?.average,
    scale = 1,
  }: GradientRepair & { logits?: string },
): ModelDescription {
  if (average !== undefined && !(Number.isInteger(average.draws) && average.draws >= 1 && average.deviation >= 0))
    throw new UsageError(
      `an average takes a whole number of draws and a deviation of 0 or more, not ${average.draws} and ${average.deviation}`,
    );
  if (!(scale > 0)) throw new UsageError(`a factor on the logits must be above 0, not ${scale}`);
  return {
    ...model,
    logits,
    repair: {
      straightThrough: [...(model.repair?.straightThrough ?? []), ...straightThrough],
      average,
      scale: scale * (model.repair?.scale ?? 1),
    },
  };
}

/** A specialised graph in which `to` is from + stop_gradient(to − from): the value of `to`, the gradient of `from`. */
export function withStraightThrough(graph: Graph, { straightThrough = [] }: GradientRepair = {}): Graph {
  let { nodes } = graph;
  for (const detour of straightThrough) {
    if (!nodes.some(({ outputs }) => outputs.includes(detour.to)))
      throw new UsageError(`no node of the model computes '${detour.to}'`);
    nodes = nodes.flatMap((node) => detoured(node, detour));
  }
  return { ...graph, nodes };
}

function detoured(node: Node, { from, to }: Detour): Node[] {
  if (!node.outputs.includes(to)) return [node];
  const [exact, difference, stopped] = ['exact', 'difference', 'stopped'].map((part) => `${to}/${part}`) as [
    string,
    string,
    string,
  ];
  const part = (op: string, inputs: string[], output: string): Node => ({
    name: output,
    op,
    domain: '',
    inputs,
    outputs: [output],
    attributes: {},
  });
  const moved = { ...node, outputs: node.outputs.map((name) => (name === to ? exact : name)) };
  if (from === undefined) return [moved, part('StopGradient', [exact], to)];
  return [
    moved,
    part('Sub', [exact, from], difference),
    part('StopGradient', [difference], stopped),
    part('Add', [from, stopped], to),
  ];
}

/** The mean of the logits over several draws; other values are those of the first. */
export function averaged(
  g: GraphBuilder,
  x: Value,
  { draws, deviation }: NonNullable<GradientRepair['average']>,
  draw: (source: NoiseSource) => Value,
  apply: (x: Value) => AppliedModel,
): AppliedModel {
  const distribution = { kind: 'normal', mean: 0, deviation } as const;
  const disturbed = () => (deviation > 0 ? g.add(x, draw({ name: '', shape: x.shape, distribution })) : x);
  const applied = Array.from({ length: draws }, () => apply(disturbed()));
  return { ...applied[0]!, logits: g.scale(g.sum(applied.map(({ logits }) => logits)), 1 / draws) };
}
