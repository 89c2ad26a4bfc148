/** @file Conductance: the part of integrated gradients that flows through a layer, or through one unit to the input. */
import { gradient } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { valuesAt } from './at-images.ts';
import type { Baseline } from './baseline.ts';
import { Copies } from './deep-lift-copies.ts';
import { elementsOf, explained, keyOfExplained } from './explained.ts';
import { completenessOf, type Explain } from './explanation.ts';
import { checkDependence, resolveLayer } from './layer.ts';
import { overBaselines } from './over-baselines.ts';
import { between, integrate } from './path.ts';
import type { QuadratureRule } from './quadrature.ts';
import { parseUnit } from './unit.ts';

interface PathOptions {
  /** Default midpoint. */
  rule?: QuadratureRule;
  /** Points along the line from the baseline. Default 50. */
  steps?: number;
  /** Default black. */
  baseline?: Baseline;
}

export interface Conductance extends Required<PathOptions> {
  readonly name: 'conductance';
}

/**
 * How much of output − baseOutput flows through each value y of a layer: ∫ ∂f/∂y dy while the image changes along the
 * straight line from the baseline. Dhamdhere et al. 2019, "How important is a neuron?", eq. 2. The sum takes gradients
 * at the rule's points and the exact change of y over each point's interval, so that no part of the path is left out.
 * Needs a layer; adds up to the difference where all that reaches the output goes through it. The certificate's
 * completeness alone says how exact the sum over points is.
 *
 * @example
 * await attribute(classifier, { images, method: conductance(), layer: 'relu3' });
 */
export const conductance = ({ rule = 'midpoint', steps = 50, baseline = 'black' }: PathOptions = {}): Conductance => ({
  name: 'conductance',
  rule,
  steps,
  baseline,
});

export const explainConductance: Explain<Conductance> = async (task, { rule, steps, baseline }) => {
  const { layer, of } = task;
  if (layer === undefined) throw new UsageError('conductance is that of a layer: name one with `layer`');
  return overBaselines(task, baseline, async (task, baselines) => {
    const attributions = await integrate(
      task,
      {
        key: `conductance of ${layer} for ${keyOfExplained(of)}`,
        stage: 'conductance',
        // The ends of an interval are evaluated up to the layer only, which counts in full.
        passes: { forwards: 3, backwards: 1 },
        images: { start: baselines, end: task.images, target: task.targetRows },
        write: ({ g, model }, { start, end, target }, { at, from, to }) => {
          const applied = model(between(g, start!, end!, at));
          const [output, inner] = [explained(g, applied, target!, of), applied.value(layer)];
          checkDependence(g, output, inner, layer);
          const [slope] = gradient(g, { of: output, wrt: [inner] });
          const [first, last] = [between(g, start!, end!, from), between(g, start!, end!, to)];
          // Copies share the noise of a random model, which would pass for a change otherwise.
          const [before, after] = new Copies(g, first, last).write(
            () => model(first).value(layer),
            () => model(last).value(layer),
          );
          return g.mul(slope!, g.sub(after, before));
        },
      },
      { rule, steps, increments: true },
    );
    const [output, baseOutput] = [await valuesAt(task), await valuesAt(task, baselines)];
    const differences = output.map((value, i) => value - baseOutput[i]!);
    const points = new Array<number>(output.length).fill(steps);
    return {
      attributions,
      output,
      baseOutput,
      certificate: { completeness: completenessOf(attributions, differences), points },
    };
  });
};

export interface NeuronConductance extends Required<PathOptions> {
  readonly name: 'neuron-conductance';
  readonly unit: string;
  readonly local: boolean;
}

/**
 * How much of output − baseOutput flows from each input through one unit: (x − baseline) ⊙ ∫ ∂f/∂y · ∂y/∂x along the
 * straight line. Dhamdhere et al. 2019, eq. 3; captum's NeuronConductance. Through `layer:channel`, a channel of a
 * feature map, flows what flows through all its positions. No sum is promised, so that nothing in the certificate says how
 * exact the integral is: compare with more steps.
 *
 * @example
 * await attribute(classifier, { images, target: 3, method: neuronConductance({ unit: 'relu3:17' }) });
 */
export const neuronConductance = ({
  unit,
  rule = 'midpoint',
  steps = 50,
  baseline = 'black',
  local = false,
}: PathOptions & {
  /** `layer:channel` or `layer:channel:y:x`. */
  unit: string;
  /** Not multiplied by x − baseline. Default false. */
  local?: boolean;
}): NeuronConductance => ({ name: 'neuron-conductance', unit, rule, steps, baseline, local });

export const explainNeuronConductance: Explain<NeuronConductance> = async (task, method) => {
  const { rule, steps, baseline, local } = method;
  if (task.layer !== undefined)
    throw new UsageError(`neuron conductance attributes to the input: leave out the layer '${task.layer}'`);
  const { of, classifier } = task;
  const unit = parseUnit(method.unit);
  const layer = resolveLayer(classifier.description, unit.layer);
  return overBaselines(task, baseline, async (task, baselines) => ({
    attributions: await integrate(
      task,
      {
        key: `conductance of unit ${method.unit} for ${keyOfExplained(of)}, ${local}`,
        stage: 'neuron-conductance',
        // The two gradients make one pass: from the output to the unit, and from there to the input.
        passes: { forwards: 1, backwards: 1 },
        images: { start: baselines, end: task.images, target: task.targetRows },
        write: ({ g, model }, { start, end, target }, { at }) => {
          const x = between(g, start!, end!, at);
          const applied = model(x);
          const y = applied.value(layer);
          const output = explained(g, applied, target!, of);
          checkDependence(g, output, y, layer);
          const [above] = gradient(g, { of: output, wrt: [y] });
          const [slope] = gradient(g, {
            of: elementsOf(g, y, unit),
            wrt: [x],
            cotangent: elementsOf(g, above!, unit),
          });
          return local ? slope! : g.mul(slope!, g.sub(end!, start!));
        },
      },
      { rule, steps },
    ),
    output: await valuesAt(task),
    baseOutput: await valuesAt(task, baselines),
    certificate: { points: new Array<number>(task.images.shape[0]!).fill(steps) },
  }));
};
