import {
  type ConvAttributes,
  type ConvTransposeAttributes,
  resolveConv,
  resolveConvTranspose,
} from '../operators/convolution.ts';
import type { Value } from '../value.ts';
import { uniformCotangent, uniformInputGradient, uniformWeightGradient } from './averaged-convolution.ts';
import { convInputGradient } from './conv-input-gradient.ts';
import { convWeightGradient } from './conv-weight-gradient.ts';
import { spatialWindow } from './phases.ts';
import type { Rule, RuleContext } from './rule.ts';

const Conv: Rule = ({ g, attributes, inputs, dy }) => {
  const [x, weight] = inputs as [Value, Value];
  const convolution = resolveConv(attributes as ConvAttributes, x.shape, weight.shape);
  const uniform = uniformCotangent(g, dy, convolution);
  return [
    () =>
      uniform ? uniformInputGradient(g, uniform, weight, convolution) : convInputGradient(g, dy, weight, convolution),
    () => (uniform ? uniformWeightGradient(g, x, uniform, convolution) : convWeightGradient(g, x, dy, convolution)),
    () => sumOverPositions({ g, dy }),
  ];
};

/** ConvTranspose is the input gradient of a convolution, so its own input gradient is that convolution. */
const ConvTranspose: Rule = ({ g, attributes, inputs, dy }) => {
  const [x, weight] = inputs as [Value, Value];
  const convolution = resolveConvTranspose(attributes as ConvTransposeAttributes, x.shape, weight.shape);
  const { window, group, image } = convolution;
  const { kernel, strides, dilations, before, output } = window;
  return [
    () => {
      // output_padding can leave room for one more window than x has elements, and pads may have to end elsewhere.
      const extent = kernel.map(
        (taps, axis) => (output[axis]! - 1) * strides[axis]! + (taps - 1) * dilations[axis]! + 1,
      );
      const back = extent.map((length, axis) => length - image[axis]! - before[axis]!);
      const kept = spatialWindow(
        g,
        dy,
        image.map(() => 0),
        image.map((length, axis) => length + Math.min(0, back[axis]!)),
      );
      const pads = [...before, ...back.map((pad) => Math.max(0, pad))];
      return g.op('Conv', [kept, weight], { kernel_shape: kernel, strides, dilations, group, pads });
    },
    () => convWeightGradient(g, dy, x, convolution),
    () => sumOverPositions({ g, dy }),
  ];
};

const sumOverPositions = ({ g, dy }: Pick<RuleContext, 'g' | 'dy'>): Value =>
  g.reduceSum(dy, [0, ...dy.shape.slice(2).map((_, axis) => axis + 2)]);

export const convolution: Record<string, Rule> = { Conv, ConvTranspose };
