import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { ProgramContext } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';
import type { Baseline } from './baseline.ts';
import { Copies } from './deep-lift-copies.ts';
import { RevealCancel } from './deep-lift-reveal-cancel.ts';
import { rescaleRules } from './deep-lift-rules.ts';
import { type Explained, explained } from './explained.ts';
import { completenessOf, type Explain } from './explanation.ts';
import { checkDependence } from './layer.ts';
import { explainInOnePass, type OnePass } from './one-pass.ts';
import { overBaselines } from './over-baselines.ts';

const RULES = ['rescale', 'reveal-cancel', 'reveal-cancel-on-dense'] as const;

/** How a difference goes back through an activation. */
export type DeepLiftRule = (typeof RULES)[number];

export interface DeepLift {
  readonly name: 'deep-lift';
  readonly rule: DeepLiftRule;
  readonly baseline: Baseline;
  readonly local: boolean;
}

/**
 * DeepLIFT: the difference between the outputs at image and baseline, handed back node by node as differences of inputs.
 * Shrikumar et al. 2017. The attributions add up to output − baseOutput, which the certificate checks.
 *
 * - Functions of one number: `rescale` multiplies by Δy/Δx (§3.5.1); `reveal-cancel` lets what raises a unit and what
 *   lowers it through apart (§3.5.2), as kundajelab/deeplift does. Where Δx is at most 0.01 (for powers and logarithms,
 *   0.1 % of |x| + |x0|), curved functions have the derivative at the midpoint instead of the quotient; piecewise linear
 *   ones are exact, with the derivative at Δx = 0.
 * - Products of two activations (gates, attention), quotients, maxima of two, choices by a mask: the difference is split
 *   symmetrically. Normalisation and softmax are taken apart into such steps.
 * - Max pooling: a rise belongs to the largest element of the image, a fall to that of the baseline, as in SHAP and Captum.
 *
 * With a layer, its elements get the attributions, the baseline takes its value at the layer, and what goes past it comes
 * from the image, as for integrated gradients.
 *
 * @example
 * await attribute(classifier, { images, method: deepLift({ baseline: 'blurred' }) });
 */
export const deepLift = ({
  rule = 'rescale',
  baseline = 'black',
  local = false,
}: {
  /**
   * Default rescale. `'reveal-cancel-on-dense'`, with rescale after convolutions, is the default of kundajelab/deeplift for
   * genomics; an activation goes by the last layer with weights before it.
   */
  rule?: DeepLiftRule;
  /** Default black (zeros). Of several baselines, the mean of the attributions. */
  baseline?: Baseline;
  /** The multipliers themselves, not multiplied by x − baseline (Ancona et al. 2018, §2.2). Default false. */
  local?: boolean;
} = {}): DeepLift => ({ name: 'deep-lift', rule, baseline, local });

export const explainDeepLift: Explain<DeepLift> = (task, { rule, baseline, local }) =>
  overBaselines(task, baseline, (part, baselines) => explainInOnePass(part, deepLiftPass(rule, local, baselines)));

const deepLiftPass = (rule: DeepLiftRule, local: boolean, baselines: Tensor): OnePass => ({
  name: 'deep-lift',
  key: `deep-lift ${rule}${local ? ' multipliers' : ''}`,
  passes: { forwards: 2, backwards: 1 },
  feeds: () => ({ baseline: baselines }),
  write: ({ x, target, of, layer, fed, ...context }) => {
    const result = writeDeepLift(context, { x, baseline: fed.baseline!, target, of, layer, rule });
    return {
      attributions: local ? result.multipliers : result.contributions,
      output: result.output,
      baseOutput: result.baseOutput,
      ...(local && { others: { sum: sumOfRows(context.g, result.contributions) } }),
    };
  },
  certify: ({ output, baseOutput, sum }, attributions) => {
    const differences = output!.data.map((value, i) => value - baseOutput!.data[i]!);
    return { completeness: completenessOf(local ? sum! : attributions, differences) };
  },
});

const sumOfRows = (g: GraphBuilder, x: Value): Value => g.reduceSum(x, [...x.shape.keys()].slice(1));

interface DeepLiftProblem {
  readonly x: Value;
  readonly baseline: Value;
  readonly target: Value;
  readonly of: Explained;
  readonly layer: string | undefined;
  readonly rule: DeepLiftRule;
}

/** Writes the multipliers of images or layer and their products with the difference from the baseline, [batch, ...]. */
export function writeDeepLift({ g, model }: ProgramContext, problem: DeepLiftProblem) {
  const { x, baseline, target, of, layer, rule } = problem;
  if (!RULES.includes(rule)) throw new UsageError(`DeepLIFT has no rule '${rule}': there are ${RULES.join(', ')}`);
  const [end, start] = [x, baseline].map((input) => (layer === undefined ? input : model(input).value(layer))) as [
    Value,
    Value,
  ];
  const value = (at: Value) => explained(g, layer === undefined ? model(at) : model(x, { [layer]: at }), target, of);
  const copies = new Copies(g, end, start);
  const [output, baseOutput] = copies.write(
    () => value(end),
    () => value(start),
  );
  if (layer !== undefined) checkDependence(g, output, end, layer);
  const outputs = { output, baseOutput };
  if (rule === 'rescale') {
    const [multipliers] = gradient(g, { of: output, wrt: [end], rules: rescaleRules(copies) });
    return { multipliers: multipliers!, contributions: g.mul(multipliers!, g.sub(end, start)), ...outputs };
  }
  const revealCancel = new RevealCancel(g, copies, rule === 'reveal-cancel');
  const [multipliers] = gradient(g, {
    of: output,
    wrt: [end],
    rules: (node) => revealCancel.rules(node),
    keep: () => revealCancel.parts(end),
  });
  return { ...revealCancel.result(end, multipliers!), ...outputs };
}
