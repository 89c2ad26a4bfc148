/** @file Superpixels: SLIC (Achanta et al., TPAMI 34, 2012) in portable arithmetic. */
import { UsageError } from '../../errors.ts';
import { labOf } from '../../image/lab.ts';
import type { Tensor } from '../../tensor.ts';
import { checkCount } from '../check-count.ts';
import { joinSegments } from './join-segments.ts';

export interface SuperpixelOptions {
  /** Most superpixels there may be; mostly there are a few fewer. Default 50. */
  count?: number;
  /** Weight of nearness against colour (m of the paper's eq. 3), above 0: 1 follows edges, 40 is almost a grid. Default 10. */
  compactness?: number;
}

export interface Segmentation {
  readonly count: number;
  /** Segment of each pixel, 0 to count − 1, [H · W]. */
  readonly labels: Int32Array;
}

/**
 * Cuts an image into connected segments of similar colour: k-means over CIELAB colour and position, each centre looking
 * no further than twice its spacing (SLIC). Segments smaller than a quarter of the spacing's square join the neighbour
 * of the most similar colour, as do the smallest while there are more than `count`.
 *
 * @param image [1, C, H, W] or [C, H, W] in [0, 1]; of other than three channels, their mean counts as grey
 * @throws UsageError for other shapes and for numbers out of range
 * @example
 * const { count, labels } = superpixels(image, { count: 50 });
 */
export function superpixels(
  { shape, data }: Tensor,
  { count = 50, compactness = 10 }: SuperpixelOptions = {},
): Segmentation {
  checkCount('the count of superpixels', count);
  if (!(compactness > 0 && compactness < Number.POSITIVE_INFINITY))
    throw new UsageError(`compactness must be above 0, not ${compactness}`);
  const [channels = 0, height = 0, width = 0, ...more] = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  if (more.length > 0 || shape.length < 3 || data.length !== channels * height * width || data.length === 0)
    throw new UsageError(`superpixels are parts of one image [C, H, W], not of values of shape [${shape.join(', ')}]`);
  const image: Lab = { lab: channels === 3 ? labOf(data, 3) : labOf(greyOf(data, channels), 1), height, width };
  const grid = gridFor(image, count);
  const labels = cluster(image, grid, compactness);
  const smallest = Math.ceil((grid.stepY * grid.stepX) / 4);
  return joinSegments(labels, image.lab, { height, width, smallest, most: count });
}

interface Lab {
  /** [H · W, 3]. */
  readonly lab: Float64Array;
  readonly height: number;
  readonly width: number;
}

interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Pixels between centres. */
  readonly stepY: number;
  readonly stepX: number;
}

const ITERATIONS = 10;

function greyOf(data: Float32Array, channels: number): Float32Array {
  const area = data.length / channels;
  return Float32Array.from({ length: area }, (_, p) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += data[c * area + p]!;
    return sum / channels;
  });
}

/** Rows and columns of centres, near squares, no more than `count`. */
function gridFor({ height, width }: Lab, count: number): Grid {
  const side = Math.sqrt((height * width) / count);
  const rows = Math.max(1, Math.min(height, count, Math.round(height / side)));
  const columns = Math.max(1, Math.min(width, Math.floor(count / rows)));
  return { rows, columns, stepY: height / rows, stepX: width / columns };
}

/** The nearest centre of each pixel, after k-means from a regular grid. */
function cluster(image: Lab, grid: Grid, compactness: number): Int32Array {
  const { lab, height, width } = image;
  const { rows, columns, stepY, stepX } = grid;
  const labels = Int32Array.from({ length: height * width }, (_, p) => {
    const y = Math.floor(p / width);
    return Math.floor(y / stepY) * columns + Math.floor((p - y * width) / stepX);
  });
  // Five numbers a centre: its colour, row and column.
  const centres = new Float64Array(rows * columns * 5);
  for (let k = 0; k < rows * columns; k++) {
    const row = (Math.floor(k / columns) + 0.5) * stepY - 0.5;
    const column = ((k % columns) + 0.5) * stepX - 0.5;
    const middle = Math.round(row) * width + Math.round(column);
    const p = flattestNear(image, middle);
    const place = p === middle ? [row, column] : [Math.floor(p / width), p % width];
    centres.set([...lab.subarray(3 * p, 3 * p + 3), ...place], 5 * k);
  }
  const distances = new Float64Array(height * width);
  const nearness = compactness ** 2 / (stepY * stepX);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    assign(image, grid, centres, nearness, labels, distances);
    if (!moveToMeans(image, centres, labels)) break;
  }
  return labels;
}

/** The pixel with the smallest gradient among nine, so that no centre starts on an edge. */
function flattestNear({ lab, height, width }: Lab, middle: number): number {
  const row = Math.floor(middle / width);
  const column = middle % width;
  let best = middle;
  let least = Number.POSITIVE_INFINITY;
  for (let y = Math.max(1, row - 1); y <= Math.min(height - 2, row + 1); y++) {
    for (let x = Math.max(1, column - 1); x <= Math.min(width - 2, column + 1); x++) {
      const p = y * width + x;
      let steepness = 0;
      for (let i = 0; i < 3; i++)
        steepness +=
          (lab[3 * (p + 1) + i]! - lab[3 * (p - 1) + i]!) ** 2 +
          (lab[3 * (p + width) + i]! - lab[3 * (p - width) + i]!) ** 2;
      // The middle wins a tie.
      if (steepness < least || (steepness === least && p === middle)) {
        least = steepness;
        best = p;
      }
    }
  }
  return best;
}

function assign(
  { lab, height, width }: Lab,
  { stepY, stepX }: Grid,
  centres: Float64Array,
  nearness: number,
  labels: Int32Array,
  distances: Float64Array,
): void {
  distances.fill(Number.POSITIVE_INFINITY);
  for (let k = 0; k < centres.length / 5; k++) {
    const [light = 0, red = 0, yellow = 0, row = 0, column = 0] = centres.subarray(5 * k, 5 * k + 5);
    const bottom = Math.min(height - 1, Math.floor(row + stepY));
    const right = Math.min(width - 1, Math.floor(column + stepX));
    for (let y = Math.max(0, Math.ceil(row - stepY)); y <= bottom; y++) {
      for (let x = Math.max(0, Math.ceil(column - stepX)); x <= right; x++) {
        const p = y * width + x;
        const colour = (lab[3 * p]! - light) ** 2 + (lab[3 * p + 1]! - red) ** 2 + (lab[3 * p + 2]! - yellow) ** 2;
        const distance = colour + nearness * ((y - row) ** 2 + (x - column) ** 2);
        if (distance < distances[p]!) {
          distances[p] = distance;
          labels[p] = k;
        }
      }
    }
  }
}

/** Moves each centre to the mean of its pixels; false when none moved. */
function moveToMeans({ lab, width }: Lab, centres: Float64Array, labels: Int32Array): boolean {
  const sums = new Float64Array(centres.length);
  const counts = new Int32Array(centres.length / 5);
  for (let p = 0; p < labels.length; p++) {
    const k = labels[p]!;
    const y = Math.floor(p / width);
    counts[k]! += 1;
    for (let i = 0; i < 3; i++) sums[5 * k + i]! += lab[3 * p + i]!;
    sums[5 * k + 3]! += y;
    sums[5 * k + 4]! += p - y * width;
  }
  let moved = false;
  for (let i = 0; i < centres.length; i++) {
    const count = counts[Math.floor(i / 5)]!;
    const mean = count === 0 ? centres[i]! : sums[i]! / count;
    if (mean !== centres[i]) moved = true;
    centres[i] = mean;
  }
  return moved;
}
