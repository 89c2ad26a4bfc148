/**
 * @file Sources of noise, and the border that gradients do not cross. Every random operator is lowered to the two here,
 * always float32. They have no value that could be folded: each run draws anew.
 */
import { likeInput, type Operator } from './operator.ts';

const source = (attributes: Operator['attributes']): Operator => ({
  attributes: { shape: { kind: 'ints', default: [] }, dtype: { kind: 'int', default: 1 }, ...attributes },
  infer: ({ attributes: { shape } }) => [{ dtype: 'float32', shape }],
});

export const random: Record<string, Operator> = {
  RandomNormal: source({ mean: { kind: 'float', default: 0 }, scale: { kind: 'float', default: 1 } }),
  RandomUniform: source({ low: { kind: 'float', default: 0 }, high: { kind: 'float', default: 1 } }),
  /** Identity whose gradient is zero. Not of ONNX: `decompose` writes it as Identity. */
  StopGradient: { attributes: {}, infer: (context) => [likeInput(context)], evaluate: ({ inputs: [x] }) => [x!] },
};
