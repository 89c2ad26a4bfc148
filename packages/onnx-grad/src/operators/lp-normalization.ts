import { ShapeError } from '../errors.ts';
import { describeNode, sizeOf } from '../graph.ts';
import { likeInput, normalizeAxis, type Operator, required } from './operator.ts';

export interface LpNormalizationAttributes {
  axis: number;
  p: number;
}

/** x divided by its norm of order 1 or 2 along one axis; zeros stay zeros. */
export const LpNormalization: Operator = {
  attributes: { axis: { kind: 'int', default: -1 }, p: { kind: 'int', default: 2 } },
  infer(context) {
    const { axis, p } = context.attributes as LpNormalizationAttributes;
    const what = describeNode(context.node);
    normalizeAxis(axis, required(context, 0).shape.length, what);
    if (p !== 1 && p !== 2) throw new ShapeError(`attribute 'p' of ${what} is ${p}, expected 1 or 2`);
    return [likeInput(context)];
  },
  evaluate({ attributes, inputs }) {
    const { axis, p } = attributes as LpNormalizationAttributes;
    const x = inputs[0]!;
    const along = normalizeAxis(axis, x.shape.length, 'LpNormalization');
    const length = x.shape[along] ?? 1;
    const stride = sizeOf(x.shape.slice(along + 1));
    const y = new Float64Array(x.data.length);
    for (let line = 0; line < y.length / length; line++) {
      const start = Math.floor(line / stride) * stride * length + (line % stride);
      let sum = 0;
      for (let i = 0; i < length; i++) sum += Math.abs(x.data[start + i * stride]!) ** p;
      const norm = p === 2 ? Math.sqrt(sum) : sum;
      for (let i = 0; i < length; i++) y[start + i * stride] = norm === 0 ? 0 : x.data[start + i * stride]! / norm;
    }
    return [{ ...x, data: y }];
  },
};
