/** @file Operators that pass values on in the same or another type. */
import { dataTypeOf } from '../element-types.ts';
import { UnsupportedOpError } from '../errors.ts';
import type { NumericArray } from '../evaluate/array.ts';
import { mapUnary } from '../evaluate/broadcast.ts';
import { type DataType, describeNode, isFloat } from '../graph.ts';
import { likeInput, type Operator, required } from './operator.ts';

/** Between floats the number stays as it is, so double precision survives; rounding to the type is the tensor's business. */
function convert(x: NumericArray, dtype: DataType): NumericArray {
  if (dtype === 'bool') return mapUnary(x, (value) => (value === 0 ? 0 : 1), dtype);
  if (isFloat(dtype) || !isFloat(x.dtype)) return { ...x, dtype };
  return mapUnary(x, Math.trunc, dtype);
}

export const conversion: Record<string, Operator> = {
  Identity: { attributes: {}, infer: (context) => [likeInput(context)], evaluate: ({ inputs: [x] }) => [x!] },

  Cast: {
    attributes: { to: { kind: 'int' } },
    infer: (context) => {
      const { shape } = required(context, 0);
      return [{ dtype: dataTypeOf(context.attributes.to, `the target of ${describeNode(context.node)}`), shape }];
    },
    evaluate: ({ attributes, inputs: [x] }) => [convert(x!, dataTypeOf(attributes.to, 'the target'))],
  },

  CastLike: {
    attributes: {},
    infer: (context) => [{ dtype: required(context, 1).dtype, shape: required(context, 0).shape }],
    evaluate: ({ inputs: [x, target] }) => [convert(x!, target!.dtype)],
  },

  /** Evaluation mode: the mask, when asked for, is all ones. */
  Dropout: {
    attributes: { seed: { kind: 'int' } },
    infer: (context) => {
      const ratio = context.inputs[1]?.constant?.data[0] ?? 0.5;
      const training = context.inputs[2]?.constant?.data[0] ?? 0;
      if (context.inputs[2] !== undefined && (context.inputs[2].constant === undefined || (training && ratio))) {
        throw new UnsupportedOpError(
          'Dropout',
          `${describeNode(context.node)} is in training mode; export the model for evaluation`,
        );
      }
      const data = likeInput(context);
      return [data, { dtype: 'bool', shape: data.shape }];
    },
    evaluate: ({ inputs: [x] }) => [x!, mapUnary(x!, () => 1, 'bool')],
  },
};
