/** @file What is explained: a number for each image, made of logits or of one unit inside the network. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { AppliedModel } from '../models/classifier.ts';
import { objectives } from '../objectives/objectives.ts';
import { parseUnit, type Unit } from './unit.ts';

/**
 * A number of the target class: its logit, probability, log-probability, cross-entropy loss, or margin (its logit minus
 * the largest other one); or its logit minus that of another class; or a unit inside the network, whatever the class:
 * `layer:channel` (the mean over its positions) or `layer:channel:y:x`.
 */
export type Explained =
  | 'logit'
  | 'probability'
  | 'log-probability'
  | 'loss'
  | 'margin'
  | { readonly minus: number | ArrayLike<number> }
  | { readonly unit: string };

type Write = (g: GraphBuilder, logits: Value, target: Value) => Value;

const crossEntropy: Write = objectives['cross-entropy'].build;

const ofClass: Readonly<Record<Extract<Explained, string>, Write>> = {
  logit: objectives.logit.build,
  probability: objectives.probability.build,
  'log-probability': (g, logits, target) => g.neg(crossEntropy(g, logits, target)),
  loss: crossEntropy,
  margin: (g, logits, target) => g.neg(objectives.margin.build(g, logits, target)),
};

/** The names of what is explained of a class. */
export const EXPLAINED = Object.keys(ofClass) as readonly Extract<Explained, string>[];

/**
 * Writes what is explained, [N]. `target` [N, K] holds a one for the class, and a minus one for the class that it is
 * compared with.
 */
export function explained(g: GraphBuilder, applied: AppliedModel, target: Value, of: Explained): Value {
  if (typeof of === 'string') return ofClass[of](g, applied.logits, target);
  if ('minus' in of) return ofClass.logit(g, applied.logits, target);
  return writeUnit(g, applied, parseUnit(of.unit));
}

/** Distinguishes programs that explain different things. */
export function keyOfExplained(of: Explained): string {
  if (typeof of === 'string') return of;
  return 'minus' in of ? 'logit' : `unit ${of.unit}`;
}

function writeUnit(g: GraphBuilder, applied: AppliedModel, unit: Unit): Value {
  return g.reduceMean(elementsOf(g, applied.value(unit.layer), unit), [1]);
}

/** The elements of a unit in its layer's values, or in their gradient: [N, positions]. */
export function elementsOf(g: GraphBuilder, values: Value, { layer, channel, position }: Unit): Value {
  const [batch = 0, channels = 1, ...spatial] = values.shape;
  const indices = [channel, ...(position ?? [])];
  const fits = indices.every((index, axis) => index < (values.shape[axis + 1] ?? 0));
  if (!fits || (position && position.length !== spatial.length))
    throw new UsageError(
      `there is no unit '${[layer, ...indices].join(':')}': the layer has shape [${[channels, ...spatial].join(', ')}]`,
    );
  const chosen = g.slice(values, {
    starts: indices,
    ends: indices.map((index) => index + 1),
    axes: indices.map((_, axis) => axis + 1),
  });
  return g.reshape(chosen, [batch, chosen.shape.reduce((size, length) => size * length, 1) / batch]);
}
