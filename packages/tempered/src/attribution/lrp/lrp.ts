/** @file Layer-wise relevance propagation as a method of attribution. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import type { AppliedModel, ModelDescription } from '../../models/classifier.ts';
import { inProgram, outsideProgram } from '../../models/namespace.ts';
import type { Tensor } from '../../tensor.ts';
import { checkChoice } from '../check-choice.ts';
import { type Explained, explained } from '../explained.ts';
import { type Certificate, completenessOf, type LostRelevance, type Task } from '../explanation.ts';
import { checkDependence, resolveLayer } from '../layer.ts';
import type { OnePass, PassContext, Written } from '../one-pass.ts';
import { parseUnit } from '../unit.ts';
import { type Composite, epsilonGammaBox } from './composites.ts';
import { type Assignment, propagate } from './relevance.ts';
import { checkRule, type LrpRule, sharesOf } from './rules.ts';

export interface Lrp {
  readonly name: 'lrp';
  readonly composite: Composite;
  readonly operators: Readonly<Record<string, LrpRule>>;
  readonly layers: Readonly<Record<string, LrpRule>>;
  readonly initial: 'value' | 'one';
}

/**
 * Layer-wise relevance propagation: what is explained is handed back layer by layer, to each input in proportion to its
 * contribution, by the rules of a composite. Bach et al. 2015; Montavon et al. 2019.
 *
 * Rules belong to the nodes of the graph. Normalisation with fixed statistics is merged into the convolution or dense
 * layer before it (with everything affine that follows), or after it; so is preprocessing of the image. Activations pass
 * relevance unchanged; a maximum gives it to the winner; sums, residual connections and averages share it in proportion
 * (the composite's `other`); reshaping, concatenation and products with constants or masks keep it. Gates (products with
 * a sigmoid, hard sigmoid, tanh or softmax) and attention weights are taken as given, as is the deviation of layer and
 * instance normalisation. Any other operator gets gradient × input of that node; what this loses is in the certificate.
 *
 * The certificate says how the sum differs from what is explained, and at which nodes relevance was lost: to biases,
 * stabilisers and curved operators. At a `layer`, relevance that goes around the layer counts as lost.
 *
 * @example
 * await attribute(classifier, { images, method: lrp({ composite: epsilonPlus(), layers: { conv1: flatRule() } }) });
 */
export const lrp = ({
  composite = epsilonGammaBox(),
  operators = {},
  layers = {},
  initial = 'value',
}: {
  /** Default `epsilonGammaBox()`, for images in [0, 1]. */
  composite?: Composite;
  /**
   * Rules by operator type of the ONNX file (Conv, Gemm, AveragePool, Add ...), before those of the composite. What is
   * merged into a layer has the layer's.
   */
  operators?: Readonly<Record<string, LrpRule>>;
  /** Rules by name of a node or value of the ONNX file, before all others. */
  layers?: Readonly<Record<string, LrpRule>>;
  /**
   * Relevance to start with: the value of what is explained (`value`, the default), or `one`, so that images compare
   * whatever their scores. Of probabilities, losses and the like, each logit starts with its gradient × input, which
   * loses nearly everything where softmax is flat: of a class that is certain, `value` finds almost nothing to hand back.
   * Explain the logit, or its difference from another class's (`minus`).
   */
  initial?: 'value' | 'one';
} = {}): Lrp => ({ name: 'lrp', composite, operators, layers, initial });

export const lrpPass = ({ composite, operators, layers, initial }: Lrp, task: Task): OnePass => {
  const { classifier } = task;
  const rules = [...Object.values(composite), ...Object.values(operators), ...Object.values(layers)];
  for (const rule of rules) if (rule !== undefined) checkRule(rule);
  checkChoice('initial', initial, INITIAL);
  checkInBox(composite, task);
  const named = Object.entries(layers).map(
    ([name, rule]) => [inProgram(resolveLayer(classifier.description, name)), { name, rule }] as const,
  );
  const assignment: Assignment = { composite, operators, nodes: new Map(named) };
  const key = `lrp ${JSON.stringify([composite, operators, layers, initial])}`;
  return relevancePass({ name: 'lrp', key, classifier, assignment, initial });
};

const INITIAL: readonly Lrp['initial'][] = ['value', 'one'];

/** What the box rule shares out is of no sign and no sense where a value is not between its ends. */
function checkInBox({ first }: Composite, { images, imageNumbers, layer }: Task): void {
  if (first?.rule !== 'box' || layer !== undefined) return;
  const { low, high } = first;
  const rounding = 1e-5 * (high - low);
  const at = images.data.findIndex((value) => value < low - rounding || value > high + rounding);
  if (at < 0) return;
  const image = Math.floor(at / (images.data.length / images.shape[0]!));
  throw new UsageError(
    `the box rule of the first layer is for inputs from ${low} to ${high}, and image ${imageNumbers[image]} has the value ${images.data[at]}: give it the least and the largest value that inputs can have, as in epsilonGammaBox({ low: -1, high: 1 })`,
  );
}

/** One program that propagates relevance by the rules assigned. */
export function relevancePass({
  name,
  key,
  classifier,
  assignment,
  initial,
  conserved = true,
}: {
  name: string;
  key: string;
  classifier: Pick<Task['classifier'], 'description'>;
  assignment: Assignment;
  initial: 'value' | 'one';
  /** Whether the rules are meant to keep the sum of relevance, which is then certified. */
  conserved?: boolean;
}): OnePass {
  return {
    name,
    key,
    passes: passesOf(mostUsed(assignment, classifier.description)),
    write: (context) => writeRelevance(context, assignment, initial, conserved),
    ...(conserved && {
      certify: ({ start, ...outputs }, attributions) => certificateOf(start!.data, outputs, attributions),
    }),
  };
}

/** The rule of the operator that most layers with weights have, which take nearly all of the time. */
function mostUsed({ composite, operators }: Assignment, { graph }: Pick<ModelDescription, 'graph'>): LrpRule {
  const byDefault: Readonly<Record<string, LrpRule>> = {
    Conv: composite.convolution,
    ConvTranspose: composite.convolution,
    Gemm: composite.dense,
    MatMul: composite.dense,
  };
  const counts = Object.keys(byDefault).map((op) => graph.nodes.filter((node) => node.op === op).length);
  const most = Object.keys(byDefault)[counts.indexOf(Math.max(...counts))]!;
  return operators[most] ?? byDefault[most]!;
}

/** Passes through the network that a rule takes. */
function passesOf(rule: LrpRule): OnePass['passes'] {
  if (rule.rule === 'pass') return { forwards: 1, backwards: 0 };
  const terms = sharesOf(rule, true).reduce((count, share) => count + share.terms.length, 0);
  return { forwards: rule.rule === 'epsilon' ? 1 : 1 + terms, backwards: terms };
}

function writeRelevance(
  context: PassContext,
  assignment: Assignment,
  initial: 'value' | 'one',
  counted: boolean,
): Written {
  const { g, model, x, target, of, layer } = context;
  const applied = model(x);
  const wrt = layer === undefined ? x : applied.value(layer);
  const root = rootOf(applied, of);
  const output = explained(g, applied, target, of);
  if (layer !== undefined) checkDependence(g, output, wrt, layer);
  const slope = gradient(g, { of: output, wrt: [root] })[0]!;
  const start = initial === 'one' ? slope : g.mul(root, slope);
  const total = initial === 'one' ? perImage(g, start) : output;
  const { relevance, lost } = propagate(g, { x, root, wrt, initial: start, assignment, counted });
  if (!counted) return { attributions: relevance, output };
  const atStart = initial === 'value' && !isLinear(of) ? [[headName(of), lossAt(g, output, start)] as const] : [];
  const losses = [...atStart, ...[...lost].map(([name, value]) => [outsideProgram(name), value] as const)];
  return {
    attributions: relevance,
    output,
    others: { start: total, ...Object.fromEntries(losses.map(([name, value]) => [`${LOST}${name}`, value])) },
  };
}

/** The sum of each image's values, [N]. */
const perImage = (g: GraphBuilder, value: Value): Value =>
  g.reduceSum(
    value,
    value.shape.flatMap((_, axis) => (axis === 0 ? [] : [axis])),
  );

/** Before the names of nodes, among the outputs of a program. */
const LOST = 'lost/';

/** The value that relevance starts from: the logits, or the layer of a unit. */
const rootOf = (applied: AppliedModel, of: Explained): Value =>
  typeof of === 'object' && 'unit' in of ? applied.value(parseUnit(of.unit).layer) : applied.logits;

/** Whether gradient × input of the logits adds up to what is explained. */
const isLinear = (of: Explained): boolean => typeof of !== 'string' || of === 'logit' || of === 'margin';

const headName = (of: Explained): string => (typeof of === 'string' ? of : 'explained');

const lossAt = (g: GraphBuilder, output: Value, start: Value): Value => g.sub(output, perImage(g, start));

function certificateOf(
  start: ArrayLike<number>,
  outputs: Readonly<Record<string, Tensor>>,
  attributions: Tensor,
): Certificate {
  const losses = Object.entries(outputs).flatMap(([name, { data }]) =>
    name.startsWith(LOST) ? [{ node: name.slice(LOST.length), data }] : [],
  );
  const lost = Array.from({ length: start.length }, (_, i) =>
    losses
      .map(({ node, data }): LostRelevance => ({ node, share: data[i] === 0 ? 0 : data[i]! / start[i]! }))
      .filter(({ share }) => share !== 0)
      .sort((a, b) => Math.abs(b.share) - Math.abs(a.share)),
  );
  return { completeness: completenessOf(attributions, start), lost };
}
