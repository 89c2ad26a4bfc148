import type { GraphBuilder, Value } from 'onnx-grad';

/** What keeps relevance from being divided by nearly nothing. */
export interface Stabiliser {
  /** 0: nothing is added, and what would be divided by 0 is lost. */
  readonly epsilon: number;
  /** |z| is raised to epsilon where it is smaller, instead of epsilon being added everywhere. Default false. */
  readonly clip?: boolean;
  /** Epsilon counts in units of the root mean square of each image's z. Default false. */
  readonly normScale?: boolean;
}

/** z moved away from 0 by epsilon, in the direction of its sign; 0 counts as positive. The conventions are zennit's. */
export function stabilise(g: GraphBuilder, z: Value, { epsilon, clip = false, normScale = false }: Stabiliser): Value {
  const zero = g.constant(0, [], z);
  if (epsilon === 0) return g.add(z, g.cast(g.equal(z, zero), z.dtype));
  const sign = g.sub(g.constant(1, [], z), g.scale(g.cast(g.less(z, zero), z.dtype), 2));
  const axes = z.shape.flatMap((_, axis) => (axis === 0 ? [] : [axis]));
  const least = normScale
    ? g.scale(g.sqrt(g.reduceMean(g.square(z), axes, true)), epsilon)
    : g.constant(epsilon, [], z);
  return clip ? g.mul(sign, g.max(g.abs(z), least)) : g.add(z, g.mul(sign, least));
}
