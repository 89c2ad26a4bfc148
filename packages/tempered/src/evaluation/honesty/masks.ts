/** @file What keeps gradient attacks from a model's weak points, found by structure and by measurement, and what helps. */
import { Classifier } from '../../models/classifier.ts';
import { type GraphInspection, inspectGraph } from '../../models/inspect-graph.ts';
import { type GradientRepair, repaired } from '../../models/repair.ts';
import { percentile } from '../../statistics.ts';
import { ofCount } from './check.ts';
import {
  type GradientShares,
  type Gradients,
  gradientsAt,
  measureShattering,
  type Sample,
  type Shattering,
  sharesOf,
} from './gradients.ts';
import { chooseDetour } from './shattered.ts';

export interface Mask {
  readonly kind:
    | 'probabilities'
    | 'rounding'
    | 'randomness'
    | 'loss underflow'
    | 'shattered gradients'
    | 'vanishing gradients';
  /** The node or place, in words: "Round node 'round1'". */
  readonly what: string;
  /** What helps, in words and as data; undefined where nothing is known to. */
  readonly repair?: {
    readonly says: string;
    readonly model?: GradientRepair & { readonly logits?: string };
    readonly loss?: 'margin';
  };
}

/** JSON-serialisable. */
export interface MaskSearch {
  readonly masks: readonly Mask[];
  readonly inspection: GraphInspection;
  /** Of the model as it is, by the loss. */
  readonly gradients: Readonly<Record<'crossEntropy' | 'margin', GradientShares>>;
  /** Behind the repairs of everything that the graph shows; empty where values stand in steps. */
  readonly shattering: readonly Shattering[];
}

/** Draws that are averaged against noise. */
const DRAWS = 8;

/** Steps of measuring what gradients promise: one and four grey levels. */
const GREY_LEVELS = [1 / 255, 4 / 255];

/** Below this, the promise holds as well as for networks without a mask: these stay below 0.3. */
export const SHATTERED = 0.38;

/** Share of images without a cross-entropy gradient from which on the loss is to blame. */
const UNDERFLOW = 0.02;

/**
 * Finds what masks the gradients of a model: a softmax at its end, rounding, noise, a saturated loss, shattered or
 * vanishing gradients. What the graph shows is repaired first, and the rest is measured behind it.
 *
 * @param sample images that the model classifies right, with their labels
 * @example
 * const { masks } = await findMasks(classifier, { images, labels });
 * masks.map(({ what }) => what); // ["Round node 'round1'"]
 */
export async function findMasks(classifier: Classifier, sample: Sample): Promise<MaskSearch> {
  const inspection = inspectGraph(classifier.description);
  const crossEntropy = await gradientsAt(classifier, sample, 'cross-entropy');
  const margin = await gradientsAt(classifier, sample, 'margin');
  const structural = structuralMasks(inspection);
  const behind = surrogateFor(classifier, structural);
  const gradients = { crossEntropy: sharesOf(crossEntropy), margin: sharesOf(margin) };
  try {
    const at = behind
      ? {
          crossEntropy: await gradientsAt(behind, sample, 'cross-entropy'),
          margin: await gradientsAt(behind, sample, 'margin'),
        }
      : { crossEntropy, margin };
    const measured = await measuredMasks(behind ?? classifier, sample, inspection, at, structural);
    return { masks: [...structural, ...measured.masks], inspection, gradients, shattering: measured.shattering };
  } finally {
    await behind?.release();
  }
}

async function measuredMasks(
  classifier: Classifier,
  sample: Sample,
  inspection: GraphInspection,
  { crossEntropy, margin }: { crossEntropy: Gradients; margin: Gradients },
  structural: readonly Mask[],
): Promise<Pick<MaskSearch, 'masks' | 'shattering'>> {
  const count = margin.size.length;
  if (count === 0) return { masks: [], shattering: [] };
  const masks: Mask[] = [];
  const blind = countBlind(crossEntropy, margin);
  if (blind > UNDERFLOW * count) masks.push(underflow(blind, margin));
  // Behind rounding, the values still stand in steps: differences say nothing.
  const isStepped = structural.some(({ kind }) => kind === 'rounding');
  const shattering = isStepped ? [] : await measureShattering(classifier, sample, GREY_LEVELS);
  const isShattered = shattering.some(({ alongGradient }) => alongGradient >= SHATTERED);
  if (sharesOf(margin).zero > count / 10)
    masks.push(await unguided(classifier, sample, inspection, 'vanishing gradients'));
  else if (isShattered) masks.push(await unguided(classifier, sample, inspection, 'shattered gradients'));
  return { masks, shattering };
}

/** The model with every repair that masks ask for, for gradients alone; undefined when none changes the model. */
export function surrogateFor(classifier: Classifier, masks: readonly Mask[]): Classifier | undefined {
  const repairs = masks.flatMap(({ repair }) => repair?.model ?? []);
  if (repairs.length === 0) return undefined;
  const description = repairs.reduce((model, repair) => repaired(model, repair), classifier.description);
  return new Classifier(description, classifier.runtime, classifier.parameters);
}

function structuralMasks({ tail, cuts, random }: GraphInspection): Mask[] {
  const masks: Mask[] = [];
  if (tail.kind !== 'logits' && tail.kind !== 'log-softmax') {
    const function_ = { softmax: 'softmax', sigmoid: 'sigmoid', tanh: 'tanh' }[tail.kind];
    masks.push({
      kind: 'probabilities',
      what: `a ${function_} at the end of the model`,
      repair: { says: `attacks the scores before it ('${tail.logits}')`, model: { logits: tail.logits } },
    });
  }
  for (const { node, detour } of cuts) {
    masks.push({
      kind: 'rounding',
      what: node,
      repair: detour && { says: 'its gradient is taken straight through', model: { straightThrough: [detour] } },
    });
  }
  if (random.length > 0) {
    masks.push({
      kind: 'randomness',
      what: random.map(({ node }) => node).join(', '),
      repair: {
        says: `gradients are averaged over ${DRAWS} draws`,
        model: { average: { draws: DRAWS, deviation: 0 } },
      },
    });
  }
  return masks;
}

/** Images where the margin has a gradient and the cross-entropy has none. */
const countBlind = (crossEntropy: Gradients, margin: Gradients): number =>
  crossEntropy.size.filter((size, i) => size === 0 && margin.size[i]! > 0).length;

function underflow(blind: number, { value }: Gradients): Mask {
  const scale = 2 / percentile(value.map(Math.abs), 50);
  return {
    kind: 'loss underflow',
    what: `cross-entropy, whose gradient is exactly 0 at ${ofCount(blind, value.length)} images: the scores are too far apart for single precision`,
    repair: {
      says: `gradients are those of scores times ${Number(scale.toPrecision(2))}, and attacks that may choose their loss climb the margin`,
      model: { scale },
      loss: 'margin',
    },
  };
}

async function unguided(
  behind: Classifier,
  sample: Sample,
  inspection: GraphInspection,
  kind: 'shattered gradients' | 'vanishing gradients',
): Promise<Mask> {
  const choice = await chooseDetour(behind, sample, inspection);
  const what = choice?.node ?? 'found by measurement; the graph does not show where they come from';
  return { kind, what, repair: choice && { says: choice.says, model: choice.model } };
}
