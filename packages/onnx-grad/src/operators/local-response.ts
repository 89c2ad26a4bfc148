import { ShapeError } from '../errors.ts';
import { describeNode } from '../graph.ts';
import { imageLayout } from './image-layout.ts';
import { likeInput, type Operator, required } from './operator.ts';

export interface LRNAttributes {
  alpha: number;
  beta: number;
  bias: number;
  size: number;
}

/** The channels whose squares are summed for channel `c`: first and last, inclusive. */
function channelWindow(c: number, channels: number, size: number): [number, number] {
  return [Math.max(0, c - Math.floor((size - 1) / 2)), Math.min(channels - 1, c + Math.ceil((size - 1) / 2))];
}

/** Local response normalisation across channels: x / (bias + α/size · Σ window x²)^β (Krizhevsky et al. 2012, §3.3). */
export const LRN: Operator = {
  attributes: {
    alpha: { kind: 'float', default: 1e-4 },
    beta: { kind: 'float', default: 0.75 },
    bias: { kind: 'float', default: 1 },
    size: { kind: 'int' },
  },
  infer(context) {
    const { size } = context.attributes as Partial<LRNAttributes>;
    const { shape } = required(context, 0);
    const what = describeNode(context.node);
    if (size === undefined || size < 1)
      throw new ShapeError(`attribute 'size' of ${what} is ${size}, expected at least 1`);
    if (shape.length < 2) throw new ShapeError(`${what} needs data of shape [N, C, ...], not [${shape}]`);
    return [likeInput(context)];
  },
  evaluate({ attributes, inputs }) {
    const { alpha, beta, bias, size } = attributes as LRNAttributes;
    const x = inputs[0]!;
    const { images, channels, area } = imageLayout(x.shape);
    const y = new Float64Array(x.data.length);
    for (let n = 0; n < images; n++) {
      for (let c = 0; c < channels; c++) {
        const [first, last] = channelWindow(c, channels, size);
        for (let i = 0; i < area; i++) {
          let sum = 0;
          for (let other = first; other <= last; other++) sum += x.data[(n * channels + other) * area + i]! ** 2;
          const index = (n * channels + c) * area + i;
          y[index] = x.data[index]! / (bias + (alpha / size) * sum) ** beta;
        }
      }
    }
    return [{ ...x, data: y }];
  },
};
