/** @file One operator with inputs: the unit in which a provider is compared with another. */
import type { Attribute, DataType, TensorData } from 'onnx-grad';
import { sizeOf } from '../../tensor.ts';
import type { ElementData, ElementType, HostTensor } from '../runtime.ts';
import { smallModel } from '../small-model.ts';

export interface OperatorCase {
  readonly operator: string;
  /** What is special about the case, unique for its operator: "stride 2". */
  readonly name: string;
  /** undefined stands for an absent optional input. */
  readonly inputs: readonly (CaseInput | undefined)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly ElementType[];
  /** Largest relative error that counts as right, where an operator is allowed more than the self-test's tolerance. */
  readonly tolerance?: number;
}

export interface CaseInput extends HostTensor {
  /** Part of the model, as axes and weights are, instead of fed. */
  readonly constant: boolean;
}

/** The case as a model of one node, with what to feed. */
export function buildCase({ operator, inputs, attributes, outputs }: OperatorCase): {
  model: Uint8Array;
  feeds: Record<string, HostTensor>;
} {
  const named = inputs.flatMap((input, i) => (input === undefined ? [] : [[`x${i}`, input] as const]));
  const feeds = Object.fromEntries(named.filter(([, input]) => !input.constant));
  const outputTypes = Object.fromEntries(outputs.map((dtype, i) => [`y${i}`, dtype]));
  const model = smallModel({
    inputs: feeds,
    constants: Object.fromEntries(named.filter(([, input]) => input.constant)),
    nodes: [
      {
        op: operator,
        inputs: inputs.map((input, i) => (input === undefined ? '' : `x${i}`)),
        outputs: Object.keys(outputTypes),
        attributes,
      },
    ],
    outputs: outputTypes,
  });
  return { model, feeds };
}

/** Writes a case; outputs are one float32 tensor unless said otherwise. */
export const on = (
  operator: string,
  name: string,
  inputs: readonly (CaseInput | undefined)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  outputs: readonly ElementType[] = ['float32'],
): OperatorCase => ({ operator, name, inputs, attributes, outputs });

/** Pseudo-random numbers in [low, high), all different up to 2,003 of them and the same on every platform. */
export function floats(shape: readonly number[], low = -1, high = 1, seed = 1): CaseInput {
  const fraction = (i: number) => ((i * 797 + seed * 331 + 97) % 2003) / 2003;
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => low + (high - low) * fraction(i));
  return { dtype: 'float32', shape, data, constant: false };
}

/** These float numbers. */
export const numbers = (values: readonly number[], shape: readonly number[] = [values.length]): CaseInput => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
  constant: false,
});

/** 64-bit integers that are part of the model: axes, shapes, indices. */
export const integers = (values: readonly number[], shape: readonly number[] = [values.length]): CaseInput => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
  constant: true,
});

export const booleans = (values: readonly number[], shape: readonly number[] = [values.length]): CaseInput => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from(values),
  constant: false,
});

const ARRAYS = { uint8: Uint8Array, int8: Int8Array, int32: Int32Array } as const;

export const typed = (dtype: keyof typeof ARRAYS, values: readonly number[], shape = [values.length]): CaseInput => ({
  dtype,
  shape,
  data: ARRAYS[dtype].from(values),
  constant: false,
});

/** The same tensor as part of the model. */
export const constant = (input: CaseInput): CaseInput => ({ ...input, constant: true });
/** The same tensor fed at run time. */
export const fed = (input: CaseInput): CaseInput => ({ ...input, constant: false });

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });
export const tensor = (dtype: DataType, shape: readonly number[], data: ElementData & TensorData): Attribute => ({
  kind: 'tensor',
  value: { dtype, shape, data },
});
