/** @file A network with class activation maps, as a model and, written anew from its definition, in double precision. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { type Dataset, fromArrays } from '../../data/dataset.ts';
import type { ModelDescription } from '../../models/classifier.ts';
import { modelOf } from '../../models/testing/small-models.ts';
import { createRandom } from '../../random.ts';
import { sizeOf } from '../../tensor.ts';

export const CLASSES = 3;
export const IMAGE_SHAPE = [1, 4, 4] as const;

const SHAPES = {
  'conv1.weight': [4, 1, 3, 3],
  'conv1.bias': [4],
  'conv2.weight': [5, 4, 3, 3],
  head: [CLASSES, 5],
} as const;

/** Convolution, perhaps batch normalisation, tanh, convolution, global average pooling, linear. */
export function gapNetwork({ batchNorm = false } = {}): ModelDescription {
  const parameter = (g: GraphBuilder, name: keyof typeof SHAPES): Value => {
    const shape = SHAPES[name];
    const data = new Float32Array(sizeOf(shape));
    createRandom(3, name).fillNormal(data, 0, name === 'head' ? 1 : 0.6);
    return g.parameter(name, { dtype: 'float32', shape, data });
  };
  const filled = (g: GraphBuilder, name: string, value: number) =>
    g.parameter(name, { dtype: 'float32', shape: [4], data: new Float32Array(4).fill(value) });
  return modelOf(IMAGE_SHAPE, CLASSES, (g, x) => {
    const conv = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
    let h = g.op('Conv', [x, parameter(g, 'conv1.weight'), parameter(g, 'conv1.bias')], conv);
    if (batchNorm) {
      const inputs = [
        h,
        filled(g, 'scale', 1),
        filled(g, 'shift', 0),
        filled(g, 'mean', 0.2),
        filled(g, 'variance', 2),
      ];
      h = g.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 });
    }
    h = g.rename(g.op('Conv', [g.tanh(h), parameter(g, 'conv2.weight')], conv), 'features');
    h = g.op('Flatten', [g.op('GlobalAveragePool', [h])], { axis: 1 });
    return g.rename(g.op('Gemm', [h, parameter(g, 'head')], { transB: 1 }), 'logits');
  });
}

export type Parameters = Record<keyof typeof SHAPES, Float64Array>;

export function parametersOf(model: ModelDescription): Parameters {
  const read = (name: keyof typeof SHAPES) =>
    Float64Array.from(model.graph.initializers.get(name)!.data as Float32Array);
  return {
    'conv1.weight': read('conv1.weight'),
    'conv1.bias': read('conv1.bias'),
    'conv2.weight': read('conv2.weight'),
    head: read('head'),
  };
}

/** Logits and class activation maps (one list of 16 numbers a class) of one image of 16 pixels, without batch normalisation. */
export function forward(parameters: Parameters, image: ArrayLike<number>): { logits: number[]; maps: number[][] } {
  const input = [Array.from(image)];
  const hidden = convolve(input, parameters['conv1.weight'], 4).map((map, c) =>
    map.map((value) => Math.tanh(value + parameters['conv1.bias'][c]!)),
  );
  const features = convolve(hidden, parameters['conv2.weight'], 5);
  const maps = Array.from({ length: CLASSES }, (_, k) =>
    Array.from({ length: 16 }, (_, i) =>
      features.reduce((sum, map, c) => sum + parameters.head[k * 5 + c]! * map[i]!, 0),
    ),
  );
  return { logits: maps.map((map) => map.reduce((a, b) => a + b, 0) / 16), maps };
}

/** 3×3 kernels on 4×4 maps with a border of zeros. */
function convolve(maps: readonly (readonly number[])[], weights: Float64Array, channels: number): number[][] {
  return Array.from({ length: channels }, (_, out) =>
    Array.from({ length: 16 }, (_, at) => {
      const [row, column] = [at >> 2, at & 3];
      let sum = 0;
      maps.forEach((map, c) => {
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            const [y, x] = [row + dy, column + dx];
            if (y < 0 || y > 3 || x < 0 || x > 3) continue;
            sum += map[y * 4 + x]! * weights[(out * maps.length + c) * 9 + (dy + 1) * 3 + dx + 1]!;
          }
        }
      });
      return sum;
    }),
  );
}

/** Noise with a bright 2×2 square in one of three corners: its class. */
export function corners(count = 30, seed = 1): Dataset {
  const random = createRandom(seed, 'data');
  const labels = Int32Array.from({ length: count }, () => random.integer(CLASSES));
  const pixels = new Float32Array(count * 16);
  random.fillUniform(pixels, 0, 0.5);
  const places = [0, 2, 8];
  labels.forEach((label, i) => {
    for (const offset of [0, 1, 4, 5]) pixels[i * 16 + places[label]! + offset]! += 0.4;
  });
  const classes = Array.from({ length: CLASSES }, (_, k) => `class ${k}`);
  return fromArrays({ name: 'corners', split: 'train', classes, imageShape: IMAGE_SHAPE, pixels, labels });
}
