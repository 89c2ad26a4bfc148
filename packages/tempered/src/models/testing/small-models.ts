/** @file Classifiers small enough for closed forms. */
import { emptyGraph, GraphBuilder, type Value } from 'onnx-grad';
import { createRandom } from '../../random.ts';
import { sizeOf } from '../../tensor.ts';
import type { ModelDescription } from '../classifier.ts';

/** A model of any graph: `write` gets the input, [1, ...inputShape], and returns the logits, [1, classes]. */
export function modelOf(
  inputShape: readonly number[],
  classes: number,
  write: (g: GraphBuilder, x: Value) => Value,
): ModelDescription {
  const g = new GraphBuilder(emptyGraph('small'));
  const logits = write(g, g.input('input', 'float32', [1, ...inputShape]));
  g.graph.inputs = [{ name: 'input', dtype: 'float32', shape: ['N', ...inputShape] }];
  g.graph.outputs = [{ name: logits.name, dtype: 'float32', shape: ['N', classes] }];
  return {
    name: 'small',
    graph: g.graph,
    input: 'input',
    logits: logits.name,
    inputShape,
    classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
  };
}

/** logits = weights · x + bias over the flattened input; `weights` has a row for each class. */
export function affineModel(
  inputShape: readonly number[],
  weights: readonly (readonly number[])[],
  bias: readonly number[] = weights.map(() => 0),
): ModelDescription {
  const size = sizeOf(inputShape);
  return modelOf(inputShape, weights.length, (g, x) => {
    const parameter = (name: string, shape: readonly number[], values: readonly number[]) =>
      g.parameter(name, { dtype: 'float32', shape, data: Float32Array.from(values) });
    const flat = g.op('Flatten', [x], { axis: 1 });
    const inputs = [
      flat,
      parameter('weight', [weights.length, size], weights.flat()),
      parameter('bias', [weights.length], bias),
    ];
    return g.rename(g.op('Gemm', inputs, { transB: 1 }), 'logits');
  });
}

export interface NetworkOptions {
  inputShape: readonly number[];
  classes: number;
  activation: 'Relu' | 'Tanh';
  bias: boolean;
}

/** Two layers of seeded random weights, 16 hidden units. */
export function networkModel({ inputShape, classes, activation, bias }: NetworkOptions): ModelDescription {
  const random = createRandom(7);
  return modelOf(inputShape, classes, (g, x) => {
    const dense = (from: Value, name: string, units: number): Value => {
      const features = from.shape[1]!;
      const parameter = (kind: string, shape: readonly number[], deviation: number) => {
        const data = new Float32Array(sizeOf(shape));
        random.split(name, kind).fillNormal(data, 0, deviation);
        return g.parameter(`${name}.${kind}`, { dtype: 'float32', shape, data });
      };
      const weight = parameter('weight', [units, features], 2 / Math.sqrt(features));
      return g.op('Gemm', bias ? [from, weight, parameter('bias', [units], 0.3)] : [from, weight], { transB: 1 });
    };
    const hidden = g.op(activation, [dense(g.op('Flatten', [x], { axis: 1 }), 'hidden', 16)]);
    return g.rename(dense(hidden, 'top', classes), 'logits');
  });
}

/** Images of seeded uniform noise in [0, 1], [count, ...shape]. */
export function noiseImages(count: number, shape: readonly number[], seed = 1) {
  const data = new Float32Array(count * sizeOf(shape));
  createRandom(seed, 'images').fillUniform(data, 0, 1);
  return { shape: [count, ...shape], data };
}
