import type { GraphBuilder, Value } from 'onnx-grad';
import { clipToBox, eachImage } from '../../optimize/project.ts';
import type { Search } from '../search.ts';
import { type Unforeseen, type UnforeseenOptions, unforeseen } from './options.ts';
import { searchUnforeseen } from './search.ts';
import { fillUnitInterval, signStep, type Transform } from './transform.ts';

export interface Fog extends Unforeseen {
  readonly name: 'fog';
}

/**
 * Fog: a fractal height map, whose random displacements are the variables, is laid over the image and the result scaled
 * back: (x + ε·fog) / (max x + ε). ε is the brightness of the thickest fog in pixel units: 2048/255 where the published
 * tables, which speak of pixels from 0 to 255, say 2048. Kang et al. 2019, "Testing Robustness Against Unforeseen
 * Adversaries".
 *
 * The variables live in [0, 1]; steps have a fixed length, 0.002236 by default. The map is made on the next power of two
 * and its upper left corner used; it is the same for all channels.
 *
 * @example await perturb(classifier, fog(), { images, labels, epsilon: 2048 / 255 })
 */
export const fog = (options: UnforeseenOptions = {}): Fog => ({
  name: 'fog',
  ...unforeseen(options, 'in a unit box'),
});

export const searchFog: Search<Fog> = searchUnforeseen((_, shape) => fogTransform(shape));

export function fogTransform([, height = 0, width = 0]: readonly number[]): Transform {
  const size = 2 ** Math.ceil(Math.log2(Math.max(2, height, width)));
  // One displacement for each point but the first, which is the reference.
  const variables = [size * size - 1];
  return {
    variables,
    draw(random) {
      const displacements = new Float32Array(variables[0]!);
      random.fillUniform(displacements, 0, 1);
      return { variables: displacements };
    },
    write(g, { x, variables, epsilon }) {
      const map = fillUnitInterval(g, heightMap(g, variables, size));
      const part = g.slice(map, { starts: [0, 0], ends: [height, width], axes: [1, 2] });
      const mist = g.mul(g.unsqueeze(part, [1]), eachImage(g, epsilon, x));
      const brightest = g.add(g.reduceMax(x, [1, 2, 3], true), eachImage(g, epsilon, x));
      // A black image without fog would be 0 / 0.
      return clipToBox(g, g.div(g.add(x, mist), g.max(brightest, g.constant(1e-9))));
    },
    step: (g, { variables }, ascent, step) => clipToBox(g, signStep(g, variables, ascent, step)),
  };
}

/** Displacements halve from one level to the next: Hendrycks & Dietterich 2019 call this the wibble decay, here 2. */
const DECAY = 2;

/**
 * A fractal surface [N, size, size] on a torus by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982): the
 * middle of each square is the mean of its corners plus a displacement, then the middle of each edge the mean of its
 * four neighbours plus one, and so on at half the distance. `displacements` are [N, size² − 1] in [0, 1], the largest
 * distance first: at each level the middles of the squares, of the horizontal edges, of the vertical ones.
 */
export function heightMap(g: GraphBuilder, displacements: Value, size: number): Value {
  const count = displacements.shape[0]!;
  let corners = g.constant(0, [count, 1, 1]);
  let used = 0;
  let wibble = 1;
  for (let side = 1; side < size; side *= 2) {
    const displaced = (sum: Value): Value => {
      const part = g.slice(displacements, { starts: [used], ends: [used + side * side], axes: [1] });
      used += side * side;
      const displacement = g.offset(g.scale(g.reshape(part, [count, side, side]), 2 * wibble), -wibble);
      return g.add(g.scale(sum, 1 / 4), displacement);
    };
    const beside = g.add(corners, rolled(g, corners, 2));
    const above = g.add(corners, rolled(g, corners, 1));
    const middles = displaced(g.add(beside, rolled(g, beside, 1)));
    const horizontal = displaced(g.add(beside, g.add(middles, rolled(g, middles, 1, 'back'))));
    const vertical = displaced(g.add(above, g.add(middles, rolled(g, middles, 2, 'back'))));
    corners = interleave(g, [
      [corners, horizontal],
      [vertical, middles],
    ]);
    wibble /= DECAY;
  }
  return corners;
}

/** On the torus, the neighbour that follows along an axis, or the one before. */
function rolled(g: GraphBuilder, x: Value, axis: number, direction: 'on' | 'back' = 'on'): Value {
  const length = x.shape[axis]!;
  if (length === 1) return x;
  const cut = direction === 'on' ? 1 : length - 1;
  return g.concat(
    [
      g.slice(x, { starts: [cut], ends: [length], axes: [axis] }),
      g.slice(x, { starts: [0], ends: [cut], axes: [axis] }),
    ],
    axis,
  );
}

/** Four grids [N, n, n] as the even and odd rows and columns of one, [N, 2n, 2n]. */
function interleave(g: GraphBuilder, grids: readonly (readonly Value[])[]): Value {
  const [count = 0, n = 0] = grids[0]![0]!.shape;
  const rows = grids.map((pair) =>
    g.concat(
      pair.map((grid) => g.reshape(grid, [count, n, 1, n, 1])),
      4,
    ),
  );
  return g.reshape(g.concat(rows, 2), [count, 2 * n, 2 * n]);
}
