/** @file The interpretation maps that attacks on explanations change, written into a graph so that they can be differentiated. */
import { type GraphBuilder, gradient, type Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { fixedBatch } from '../../models/batching.ts';
import type { Classifier, ProgramContext } from '../../models/classifier.ts';
import {
  type ClassActivationHead,
  classActivationHead,
  classActivationMaps,
} from '../../objectives/class-activation-map.ts';
import { sizeOf } from '../../tensor.ts';

/**
 * Which map:
 * - `'cam'`: class activation map, signed (Zhou et al. 2016)
 * - `'cam++'`: the same with the negative weights left out, as in the code of Boopathy et al. 2020
 * - `'representation'`: the means of the last feature map, the same for every class
 * - integrated gradients of the class's logit from black, `steps` points by the right rule (Boopathy et al. 2020, §5.3)
 */
export type MapKind =
  | 'cam'
  | 'cam++'
  | 'representation'
  | { readonly name: 'integrated-gradients'; readonly steps: number };

/** Maps and logits at a batch of images. */
export interface WrittenMaps {
  /** [N, K] */
  readonly logits: Value;
  /** The map of the class that a one-hot row [N, K] selects, flattened: [N, positions]. */
  of(oneHot: Value): Value;
  /** The maps of all classes, [N, K, positions]. */
  all(): Value;
}

/** Images of one run of a program for `count` images: a path of points takes as many rows as it has points. */
export const rowsFor = (kind: MapKind, count: number): number =>
  typeof kind === 'object' ? count * kind.steps : count;

/**
 * Prepares a kind of map for a classifier.
 *
 * @throws UsageError for CAM and representation of a model without global average pooling and one linear layer at its end
 */
export function mapsOf(classifier: Classifier, kind: MapKind): (context: ProgramContext, x: Value) => WrittenMaps {
  if (typeof kind === 'object') {
    if (!Number.isInteger(kind.steps) || kind.steps < 1)
      throw new UsageError(`integrated gradients need a whole number of steps, 1 or more, not ${kind.steps}`);
    if (fixedBatch(classifier.description) !== undefined)
      throw new UsageError(`'${classifier.description.name}' is made for one batch size: paths need a free one`);
    return (context, x) => integratedGradients(context, x, kind.steps);
  }
  const head = classActivationHead(classifier.description);
  return kind === 'representation'
    ? (context, x) => representation(context, x, head)
    : (context, x) => activationMaps(context, x, head, kind === 'cam++');
}

function activationMaps(
  { g, model }: ProgramContext,
  x: Value,
  head: ClassActivationHead,
  positive: boolean,
): WrittenMaps {
  const applied = model(x);
  const weighted = positive
    ? {
        ...applied,
        value: (name: string) => (name === head.weights ? g.relu(applied.value(name)) : applied.value(name)),
      }
    : applied;
  const maps = classActivationMaps(g, weighted, head);
  const [count, classes, ...space] = maps.shape as [number, number, ...number[]];
  const flat = g.reshape(maps, [count, classes, sizeOf(space)]);
  return {
    logits: applied.logits,
    of: (oneHot) => g.reduceSum(g.mul(flat, g.reshape(oneHot, [count, classes, 1])), [1]),
    all: () => flat,
  };
}

function representation({ g, model }: ProgramContext, x: Value, head: ClassActivationHead): WrittenMaps {
  const applied = model(x);
  const pooled = g.op('ReduceMean', [applied.value(head.featureMap), g.integers([2, 3])], { keepdims: 0 });
  const [count, classes] = applied.logits.shape as [number, number];
  const size = pooled.shape[1]!;
  const all = () => g.expand(g.reshape(pooled, [count, 1, size]), [count, classes, size]);
  return { logits: applied.logits, of: () => pooled, all };
}

/** The points k/m · x of every image, m times N rows, of which the last N are the images themselves. */
function integratedGradients({ g, model }: ProgramContext, x: Value, steps: number): WrittenMaps {
  const [count, channels, ...space] = x.shape as [number, number, ...number[]];
  const points = Array.from({ length: steps }, (_, k) => g.scale(x, (k + 1) / steps));
  const path = g.op('Concat', points, { axis: 0 });
  const { logits } = model(path);
  const classes = logits.shape[1]!;
  const of = (oneHot: Value) => {
    const selected = g.mul(logits, g.op('Concat', Array(steps).fill(oneHot), { axis: 0 }));
    const [slope] = gradient(g, { of: g.reduceSum(selected, [1]), wrt: [path] });
    const mean = g.reduceMean(g.reshape(slope!, [steps, ...x.shape]), [0]);
    return g.reduceSum(g.reshape(g.mul(mean, x), [count, channels, sizeOf(space)]), [1]);
  };
  return {
    logits: g.slice(logits, { axes: [0], starts: [count * (steps - 1)], ends: [count * steps] }),
    of,
    all: () => {
      const each = Array.from({ length: classes }, (_, k) => of(sameClass(g, k, [count, classes])));
      return g.concat(
        each.map((map) => g.unsqueeze(map, [1])),
        1,
      );
    },
  };
}

/** One class for every image, as one-hot rows [N, K]. */
export function sameClass(g: GraphBuilder, k: number, [count, classes]: readonly [number, number]): Value {
  const data = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) data[i * classes + k] = 1;
  return g.tensor({ dtype: 'float32', shape: [count, classes], data });
}
