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
  const features = convolve(hiddenOf(parameters, image), parameters['conv2.weight'], 5);
  const maps = Array.from({ length: CLASSES }, (_, k) =>
    Array.from({ length: 16 }, (_, i) =>
      features.reduce((sum, map, c) => sum + parameters.head[k * 5 + c]! * map[i]!, 0),
    ),
  );
  return { logits: maps.map((map) => map.reduce((a, b) => a + b, 0) / 16), maps };
}

/** The gradient of Σ weight · logit by the pixels of one image. */
export function backward(parameters: Parameters, image: ArrayLike<number>, weights: readonly number[]): number[] {
  const features = Array.from({ length: 5 }, (_, c) => {
    const each = weights.reduce((sum, weight, k) => sum + weight * parameters.head[k * 5 + c]!, 0) / 16;
    return Array.from({ length: 16 }, () => each);
  });
  const hidden = hiddenOf(parameters, image);
  const slopes = spread(features, parameters['conv2.weight'], 4).map((map, c) =>
    map.map((value, i) => value * (1 - hidden[c]![i]! ** 2)),
  );
  return spread(slopes, parameters['conv1.weight'], 1)[0]!;
}

const hiddenOf = (parameters: Parameters, image: ArrayLike<number>): number[][] =>
  convolve([Array.from(image)], parameters['conv1.weight'], 4).map((map, c) =>
    map.map((value) => Math.tanh(value + parameters['conv1.bias'][c]!)),
  );

type Maps = readonly (readonly number[])[];

/** 3×3 kernels on 4×4 maps with a border of zeros. */
function convolve(maps: Maps, weights: Float64Array, channels: number): number[][] {
  const result = Array.from({ length: channels }, () => new Array<number>(16).fill(0));
  forTaps(channels, maps.length, (out, channel, from, to, tap) => {
    result[out]![to]! += maps[channel]![from]! * weights[(out * maps.length + channel) * 9 + tap]!;
  });
  return result;
}

/** The transpose of `convolve`: back from its outputs to its `channels` inputs. */
function spread(maps: Maps, weights: Float64Array, channels: number): number[][] {
  const result = Array.from({ length: channels }, () => new Array<number>(16).fill(0));
  forTaps(maps.length, channels, (out, channel, from, to, tap) => {
    result[channel]![from]! += maps[out]![to]! * weights[(out * channels + channel) * 9 + tap]!;
  });
  return result;
}

type Visit = (out: number, channel: number, from: number, to: number, tap: number) => void;

function forTaps(outs: number, channels: number, visit: Visit): void {
  for (let to = 0; to < 16; to++) {
    for (let tap = 0; tap < 9; tap++) {
      const [y, x] = [(to >> 2) + Math.floor(tap / 3) - 1, (to & 3) + (tap % 3) - 1];
      if (y < 0 || y > 3 || x < 0 || x > 3) continue;
      for (let out = 0; out < outs; out++)
        for (let channel = 0; channel < channels; channel++) visit(out, channel, y * 4 + x, to, tap);
    }
  }
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
