/** @file What the unforeseen attacks differ in: how variables become an image, and how a step moves the variables. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { eachImage } from '../../optimize/project.ts';
import type { Random } from '../../random.ts';

/** The values that a transform is written from. */
export interface Inputs {
  /** Images, [N, C, H, W] in [0, 1]. */
  readonly x: Value;
  /** What the attack moves, [N, ...variables]. */
  readonly variables: Value;
  /** What was drawn for each image and stays, [N, ...shape] each. */
  readonly constants: Readonly<Record<string, Value>>;
  /** Strength for each image, [N]. */
  readonly epsilon: Value;
}

/** Random numbers for one image. */
export interface Drawn {
  /** Where the attack starts. */
  readonly variables: Float32Array;
  readonly constants?: Readonly<Record<string, Float32Array>>;
}

/** A family of images around an image: T(image, variables, ε), differentiable in the variables. */
export interface Transform {
  /** Shape of one image's variables. */
  readonly variables: readonly number[];
  /** Shapes of one image's constants, by name. */
  readonly constants?: Readonly<Record<string, readonly number[]>>;
  draw(random: Random, epsilon: number): Drawn;
  /** The transformed images, [N, C, H, W] in [0, 1]. */
  write(g: GraphBuilder, inputs: Inputs): Value;
  /** The variables after a step of length `size`, [N], along `ascent`, the gradient of what is to rise. */
  step(g: GraphBuilder, inputs: Inputs, ascent: Value, size: Value): Value;
}

export const clip = (g: GraphBuilder, x: Value, low: number, high: number): Value =>
  g.op('Clip', [x, g.constant(low), g.constant(high)]);

/** A sign step. */
export const signStep = (g: GraphBuilder, variables: Value, ascent: Value, size: Value): Value =>
  g.add(variables, g.mul(eachImage(g, size, variables), g.sign(ascent)));

/** x moved and stretched so that each image's values fill [0, 1]; a flat one becomes 0. */
export function fillUnitInterval(g: GraphBuilder, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  const low = g.reduceMin(x, axes, true);
  const range = g.sub(g.reduceMax(x, axes, true), low);
  return g.div(g.sub(x, low), g.max(range, g.constant(1e-9)));
}
