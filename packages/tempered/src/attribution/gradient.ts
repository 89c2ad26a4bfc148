/** @file The gradient of what is explained, by the input or by a layer, and its product with the values there. */
import { gradient, type Value } from 'onnx-grad';
import { explained } from './explained.ts';
import { checkDependence } from './layer.ts';
import type { OnePass, PassContext } from './one-pass.ts';

export interface Gradient {
  readonly name: 'gradient';
  readonly absolute: boolean;
}

export interface GradientTimesInput {
  readonly name: 'gradient-times-input';
}

/**
 * ∂ objective / ∂ input, signed; with `absolute`, its magnitude. Simonyan et al. 2014.
 *
 * @example
 * await attribute(classifier, { images, method: plainGradient() });
 */
export const plainGradient = ({
  absolute = false,
}: {
  /** Default false: Simonyan et al. show the magnitude, but the sign says whether more or less of a pixel is wanted. */
  absolute?: boolean;
} = {}): Gradient => ({ name: 'gradient', absolute });

/** Input ⊙ gradient: the first-order share of each input. Shrikumar et al. 2016. With a layer: gradient × activation. */
export const gradientTimesInput = (): GradientTimesInput => ({ name: 'gradient-times-input' });

const PASSES = { forwards: 1, backwards: 1 };

export const gradientPass = ({ name, absolute }: Gradient): OnePass => ({
  name,
  key: absolute ? 'gradient magnitude' : 'gradient',
  passes: PASSES,
  write: (context) => {
    const { slope, output } = slopes(context);
    return { attributions: absolute ? context.g.abs(slope) : slope, output };
  },
});

export const gradientTimesInputPass = ({ name }: GradientTimesInput): OnePass => ({
  name,
  key: 'gradient times input',
  passes: PASSES,
  write: (context) => {
    const { slope, output, at } = slopes(context);
    return { attributions: context.g.mul(slope, at), output };
  },
});

/** The gradient by the input or the layer, and the value there. */
function slopes({ g, model, x, target, of, layer }: PassContext): { slope: Value; output: Value; at: Value } {
  const applied = model(x);
  const at = layer === undefined ? x : applied.value(layer);
  const output = explained(g, applied, target, of);
  if (layer !== undefined) checkDependence(g, output, at, layer);
  const [slope] = gradient(g, { of: output, wrt: [at] });
  return { slope: slope!, output, at };
}
