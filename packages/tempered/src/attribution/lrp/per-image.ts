/** @file Sums over what belongs to each image, wherever a network has put the axis of images. */
import { type GraphBuilder, type Node, sizeOf, type Value } from 'onnx-grad';

/**
 * The sum of each image's elements, [N]; undefined where a value does not tell images apart by an axis. Transformers
 * move the axis of images behind that of tokens, or put windows or heads inside it.
 */
export type PerImage = (value: Value, like?: string) => Value | undefined;

/**
 * Follows the axis of images from `x`, [N, ...], through the nodes of a graph. The function returned takes a value and
 * the name of the value whose layout it has, by default its own.
 */
export function perImageIn(g: GraphBuilder, x: Value, nodes: readonly Node[]): PerImage {
  const count = x.shape[0]!;
  const outer = elementsBeforeImages(g, x, nodes);
  return (value, like = value.name) => {
    const before = outer.get(like);
    if (before === undefined) return undefined;
    const rest = sizeOf(value.shape) / (before * count);
    return g.reduceSum(g.reshape(value, [before, count, rest]), [0, 2]);
  };
}

/**
 * How many elements lie before the axis of images, by the names of the values that have such an axis: 1 where it comes
 * first. Of one image alone it cannot be told.
 */
export function elementsBeforeImages(g: GraphBuilder, x: Value, nodes: readonly Node[]): ReadonlyMap<string, number> {
  const count = x.shape[0]!;
  // As products of lengths: reshaping keeps them.
  const outer = new Map<string, number>([[x.name, 1]]);
  for (const node of nodes) {
    const from = node.inputs.find((name) => outer.has(name));
    if (from === undefined) continue;
    const { shape } = g.value(from);
    const place = placeOf(shape, outer.get(from)!, count);
    for (const name of node.outputs.filter((name) => name !== '')) {
      const after = outerAfter(g, node, place, g.value(from), g.value(name), outer.get(from)!);
      if (after !== undefined && placeOf(g.value(name).shape, after, count) !== undefined) outer.set(name, after);
    }
  }
  return outer;
}

interface Place {
  readonly axis: number;
  /** Elements of that axis that a step along an axis before images takes: tokens, where the axis is tokens × images. */
  readonly inside: number;
}

/** The axis that holds the images with `outer` elements before them. */
function placeOf(shape: readonly number[], outer: number, count: number): Place | undefined {
  let before = 1;
  for (const [axis, length] of shape.entries()) {
    const inside = outer / before;
    const holds = Number.isInteger(inside) && length % (inside * count) === 0;
    if (holds && (length > 1 || count === 1)) return { axis, inside };
    before *= length;
  }
  return undefined;
}

/** What is before the axis of images in the output of a node. */
function outerAfter(
  g: GraphBuilder,
  node: Node,
  place: Place | undefined,
  input: Value,
  output: Value,
  outer: number,
): number | undefined {
  if (['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].includes(node.op)) return outer;
  if (place === undefined) return undefined;
  const to = movedAxis(g, node, place.axis, input, output);
  return output.shape[to] === input.shape[place.axis] ? sizeOf(output.shape.slice(0, to)) * place.inside : undefined;
}

function movedAxis(g: GraphBuilder, node: Node, axis: number, input: Value, output: Value): number {
  const rank = input.shape.length;
  if (node.op === 'Transpose') {
    const order = node.attributes.perm?.value as readonly number[] | undefined;
    return order ? order.indexOf(axis) : rank - 1 - axis;
  }
  if (node.op === 'Gather' && output.shape.length < rank) {
    const gathered = node.attributes.axis?.value as number | undefined;
    return ((gathered ?? 0) + rank) % rank < axis ? axis - 1 : axis;
  }
  if (node.op.startsWith('Reduce') && output.shape.length < rank) {
    const axes = node.inputs[1] ? g.value(node.inputs[1]).constant : undefined;
    const reduced = axes ? Array.from(axes.data as ArrayLike<number | bigint>, Number) : [];
    return axis - reduced.filter((other) => (other + rank) % rank < axis).length;
  }
  // Broadcasting adds axes in front.
  return axis + output.shape.length - rank;
}
