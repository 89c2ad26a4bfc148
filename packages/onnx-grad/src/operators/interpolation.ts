/**
 * @file Resize along one axis as a sparse matrix: every output element is a weighted sum of a few input elements.
 * Follows the ONNX specification of Resize (operator set 18); positions are computed in single precision, as ONNX
 * Runtime does, so that ties round the same way.
 */

import { UnsupportedOpError } from '../errors.ts';
import { checkTableSize } from '../fold.ts';

/** Resize of one axis: its lengths, output length over input length, and the region for tf_crop_and_resize. */
export interface AxisResize {
  length: number;
  target: number;
  scale: number;
  regionStart: number;
  regionEnd: number;
}

export interface InterpolationOptions {
  mode: 'nearest' | 'linear' | 'cubic';
  coordinates: string;
  nearest: string;
  /** The a of Keys' cubic kernel. */
  cubicCoefficient: number;
  /** Leave positions outside the input out of the weighted sum, instead of extending its border. */
  excludeOutside: boolean;
  /** Widen the kernel when shrinking. */
  antialias: boolean;
}

/** Row r is Σ over k < taps of weights[r·taps + k] · x[indices[r·taps + k]]. */
export interface Interpolation {
  taps: number;
  indices: Int32Array;
  weights: Float64Array;
  /** Rows whose position lies outside the input, where tf_crop_and_resize puts its extrapolation value; else empty. */
  outside: ReadonlySet<number>;
}

const f = Math.fround;

/** The position in the input that output element `i` shows. */
function originalPosition(i: number, axis: AxisResize, mode: string): number {
  const { length, target, regionStart, regionEnd } = axis;
  const scale = f(axis.scale);
  switch (mode) {
    case 'half_pixel':
      return f(f((i + 0.5) / scale) - 0.5);
    case 'pytorch_half_pixel':
      return target > 1 ? f(f((i + 0.5) / scale) - 0.5) : 0;
    case 'half_pixel_symmetric': {
      const adjustment = f(target / f(scale * length));
      const offset = f((length / 2) * f(1 - adjustment));
      return f(f(offset + f((i + 0.5) / scale)) - 0.5);
    }
    case 'asymmetric':
      return f(i / scale);
    case 'align_corners':
      return target === 1 ? 0 : f((i * (length - 1)) / (target - 1));
    case 'tf_crop_and_resize':
      return target > 1
        ? f(f(regionStart * (length - 1)) + f(f(i * f(regionEnd - regionStart) * (length - 1)) / (target - 1)))
        : f(0.5 * (regionStart + regionEnd) * (length - 1));
    case 'tf_half_pixel_for_nn':
      return f((i + 0.5) / scale);
    default:
      throw new UnsupportedOpError('Resize', `Resize has the unknown coordinate transformation '${mode}'`);
  }
}

/** Rounds a position to an element; halves go away from zero, or down, as the mode says. */
function nearestElement(position: number, mode: string): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(position - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(position + 0.5);
    case 'floor':
      return Math.floor(position);
    case 'ceil':
      return Math.ceil(position);
    default:
      throw new UnsupportedOpError('Resize', `Resize has the unknown nearest mode '${mode}'`);
  }
}

const triangle = (distance: number): number => Math.max(0, 1 - Math.abs(distance));

/** Keys, "Cubic convolution interpolation for digital image processing", 1981. */
function cubicKernel(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

export function interpolation(axis: AxisResize, options: InterpolationOptions): Interpolation {
  const { length, target } = axis;
  const { mode, coordinates } = options;
  checkTableSize(Math.max(length, target), 'an axis of Resize');
  const positions = Array.from({ length: target }, (_, i) => originalPosition(i, axis, coordinates));
  const outside = new Set<number>();
  if (coordinates === 'tf_crop_and_resize') {
    positions.forEach((position, i) => {
      if (position < 0 || position > length - 1) outside.add(i);
    });
  }
  const clamp = (index: number) => Math.min(Math.max(index, 0), length - 1);
  if (mode === 'nearest') {
    const indices = Int32Array.from(positions, (position) => clamp(nearestElement(position, options.nearest)));
    return { taps: 1, indices, weights: new Float64Array(target).fill(1), outside };
  }
  // A kernel of radius 1 or 2, stretched when an antialiased image shrinks.
  const stretch = options.antialias ? Math.max(1, 1 / axis.scale) : 1;
  const radius = (mode === 'linear' ? 1 : 2) * stretch;
  const kernel = (distance: number) =>
    mode === 'linear' ? triangle(distance / stretch) : cubicKernel(distance / stretch, options.cubicCoefficient);
  const taps = Math.ceil(2 * radius) + (options.antialias ? 1 : 0);
  const indices = new Int32Array(target * taps);
  const weights = new Float64Array(target * taps);
  positions.forEach((original, row) => {
    // Linear interpolation stops at the border; the cubic kernel goes on and reads the border again.
    const position = mode === 'linear' && !options.antialias ? clamp(original) : original;
    const first = options.antialias ? Math.ceil(position - radius) : Math.floor(position) - radius + 1;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const index = first + k;
      const inside = index >= 0 && index < length;
      const weight = inside || !options.excludeOutside ? kernel(position - index) : 0;
      indices[row * taps + k] = clamp(index);
      weights[row * taps + k] = weight;
      sum += weight;
    }
    if (options.excludeOutside || options.antialias) {
      for (let k = 0; k < taps; k++) weights[row * taps + k] = weights[row * taps + k]! / sum;
    }
  });
  return { taps, indices, weights, outside };
}
