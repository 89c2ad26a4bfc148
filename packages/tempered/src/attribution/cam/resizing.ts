import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';

/**
 * How the map of a layer is brought to the size of the image:
 * - `'bilinear'`: pixel centres at half integers, as OpenCV, torch-cam and PyTorch's `align_corners=False`
 * - `'bilinear-corners'`: corner pixels on corner pixels, PyTorch's `align_corners=True`
 * - `'nearest'`: each pixel of the map as a block, PyTorch's `nearest`
 * - `'none'`: it stays as it is, at the layer's own size
 */
export type Resizing = 'bilinear' | 'bilinear-corners' | 'nearest' | 'none';

const ATTRIBUTES: Readonly<Record<Exclude<Resizing, 'none'>, Readonly<Record<string, string>>>> = {
  bilinear: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  'bilinear-corners': { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
  nearest: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
};

/**
 * Writes a map [N, 1, height, width] at the size of the input [C, H, W]: [N, 1, H, W].
 *
 * @throws UsageError when the map or the input is no image
 */
export function resized(g: GraphBuilder, map: Value, inputShape: readonly number[], how: Resizing): Value {
  if (how === 'none') return map;
  if (!Object.hasOwn(ATTRIBUTES, how))
    throw new UsageError(
      `a map is resized by ${Object.keys(ATTRIBUTES).join(', ')} or none, but '${String(how)}' was asked for`,
    );
  const [count, ...positions] = map.shape;
  if (positions.length !== 3 || inputShape.length !== 3)
    throw new UsageError(
      `a map of shape [${positions.join(', ')}] cannot be laid over an input of shape [${inputShape.join(', ')}]: ask for it at the layer's own size (resize: 'none')`,
    );
  const size = [count!, positions[0]!, ...inputShape.slice(1)];
  if (size.join() === map.shape.join()) return map;
  return g.op('Resize', [map, undefined, undefined, g.integers(size)], ATTRIBUTES[how]);
}
