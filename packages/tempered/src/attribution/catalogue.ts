/** @file Methods of attribution by name and settings, as command lines write them: `ig:steps=20,baseline=white`. */
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { activation } from './activation.ts';
import type { AttributionMethod } from './attribute.ts';
import type { Baseline } from './baseline.ts';
import { edges } from './baselines/edges.ts';
import { randomAttribution } from './baselines/random.ts';
import { classActivationMap } from './cam/cam.ts';
import { gradCam } from './cam/grad-cam.ts';
import { gradCamPlusPlus } from './cam/grad-cam-plus-plus.ts';
import { hiResCam } from './cam/hires-cam.ts';
import { layerCam } from './cam/layer-cam.ts';
import { scoreCam } from './cam/score-cam.ts';
import { xGradCam } from './cam/xgrad-cam.ts';
import { conductance, neuronConductance } from './conductance.ts';
import { deepLift } from './deep-lift.ts';
import { deepShap } from './deep-shap.ts';
import { excitationBackprop } from './excitation-backprop.ts';
import { expectedGradients, gradientShap } from './expected-gradients.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { deconvnet, guidedBackprop } from './guided-backprop.ts';
import { guidedGradCam } from './guided-grad-cam.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { internalInfluence } from './internal-influence.ts';
import {
  type Composite,
  epsilonAlpha2Beta1,
  epsilonAlpha2Beta1Flat,
  epsilonGammaBox,
  epsilonPlus,
  epsilonPlusFlat,
  uniformRules,
} from './lrp/composites.ts';
import { lrp } from './lrp/lrp.ts';
import { alphaBetaRule, epsilonRule, gammaRule, zeroRule, zPlusRule } from './lrp/rules.ts';
import { exactShapley } from './perturbation/exact-shapley.ts';
import { featureAblation } from './perturbation/feature-ablation.ts';
import type { Features } from './perturbation/features.ts';
import { kernelShap } from './perturbation/kernel-shap.ts';
import { lime } from './perturbation/lime.ts';
import { occlusion } from './perturbation/occlusion.ts';
import { rise } from './perturbation/rise.ts';
import { shapleySampling } from './perturbation/shapley-sampling.ts';
import {
  anyText,
  count,
  type Entry,
  entry,
  findAll,
  nonNegative,
  oneOf,
  type Setting,
  share,
  yesOrNo,
} from './settings.ts';
import { smoothGrad, smoothGradSquared, varGrad } from './smoothgrad.ts';

/** What a map of a method says, by which measures read it. */
export interface MapReading {
  /**
   * Whether pixels are ranked by the sum of their attributions, so that what speaks against the class comes last, or by
   * the sum of their magnitudes: the sign of a slope tells in which direction a pixel matters, not whether it speaks for
   * the class.
   */
  readonly ranking: 'signed' | 'magnitude';
  /** Slopes (local attribution), or shares of the output, already multiplied by the input (global). Ancona et al. 2018, §2.2. */
  readonly scale: 'local' | 'global';
}

export interface MethodEntry extends Entry<AttributionMethod>, MapReading {}

const slopes = (made: Entry<AttributionMethod>): MethodEntry => ({ ranking: 'magnitude', scale: 'local', ...made });
const shares = (made: Entry<AttributionMethod>): MethodEntry => ({ ranking: 'signed', scale: 'global', ...made });

const baseline: Setting<Baseline> = oneOf('black', 'white', 'mean', 'blurred', 'uniform', 'gaussian');
const path = { rule: oneOf('left', 'right', 'midpoint', 'trapezoid', 'gauss-legendre'), steps: count, baseline };
const noise = { samples: count, sigma: nonNegative, relative: yesOrNo, clip: yesOrNo };
const map = { relu: yesOrNo, resize: oneOf('bilinear', 'bilinear-corners', 'nearest', 'none') };

/** Another method, by its name alone. */
const inner: Setting<AttributionMethod> = {
  values: 'the name of a method',
  read: (text, background) => lookUp(text)?.make({}, background),
};

const lookUp = (text: string): MethodEntry | undefined =>
  Object.entries(methodCatalogue).find(([name, { aliases }]) => name === text || aliases.includes(text))?.[1];

const composites: Readonly<Record<string, () => Composite>> = {
  'epsilon-gamma-box': epsilonGammaBox,
  'epsilon-plus': epsilonPlus,
  'epsilon-plus-flat': epsilonPlusFlat,
  'epsilon-alpha2-beta1': epsilonAlpha2Beta1,
  'epsilon-alpha2-beta1-flat': epsilonAlpha2Beta1Flat,
  zero: () => uniformRules(zeroRule()),
  epsilon: () => uniformRules(epsilonRule()),
  gamma: () => uniformRules(gammaRule()),
  'z-plus': () => uniformRules(zPlusRule()),
  'alpha2-beta1': () => uniformRules(alphaBetaRule()),
};

const composite: Setting<Composite> = {
  values: Object.keys(composites).join('|'),
  read: (text) => (Object.hasOwn(composites, text) ? composites[text]!() : undefined),
};

const features: Setting<Features> = {
  values: 'pixels|elements|superpixels-N|squares-N',
  read: (text) => {
    if (text === 'pixels' || text === 'elements') return text;
    const [, kind, number] = /^(superpixels|squares)-([1-9]\d*)$/.exec(text) ?? [];
    if (kind === undefined) return undefined;
    return kind === 'squares' ? { squares: Number(number) } : { superpixels: Number(number) };
  },
};

const needed = (background: Tensor | undefined, name: string): Tensor => {
  if (background === undefined)
    throw new UsageError(
      `'${name}' compares with background images, and there are none here: give --background FILE.npy, or --data NAME`,
    );
  return background;
};

/** The methods by the names that users write, with those of other libraries beside them. */
export const methodCatalogue: Readonly<Partial<Record<AttributionMethod['name'], MethodEntry>>> = {
  gradient: slopes(
    entry({
      summary: 'slope of the output by each input',
      aliases: ['saliency', 'vanilla-gradient', 'vanilla-gradients'],
      settings: { absolute: yesOrNo },
      make: plainGradient,
    }),
  ),
  'gradient-times-input': shares(
    entry({
      summary: 'slope times input',
      aliases: ['input-x-gradient', 'gradient-x-input', 'grad-input'],
      make: gradientTimesInput,
    }),
  ),
  smoothgrad: slopes(
    entry({
      summary: 'mean slope, or map of another method, at noisy copies',
      aliases: ['smooth-grad', 'noise-tunnel'],
      settings: { ...noise, method: inner },
      make: smoothGrad,
    }),
  ),
  'smoothgrad-squared': slopes(
    entry({
      summary: 'mean square at noisy copies',
      aliases: ['smoothgrad-sq', 'square-grad'],
      settings: { ...noise, method: inner },
      make: smoothGradSquared,
    }),
  ),
  vargrad: slopes(
    entry({
      summary: 'variance at noisy copies',
      aliases: ['var-grad'],
      settings: { ...noise, method: inner, unbiased: yesOrNo },
      make: varGrad,
    }),
  ),
  'integrated-gradients': shares(
    entry({
      summary: 'mean slope on the way from a baseline, times the way',
      aliases: ['ig'],
      settings: {
        ...path,
        rule: oneOf('left', 'right', 'midpoint', 'trapezoid', 'gauss-legendre', 'captum-trapezoid', 'adaptive'),
        tolerance: nonNegative,
        maxSteps: count,
      },
      make: integratedGradients,
    }),
  ),
  'expected-gradients': shares(
    entry({
      summary: 'integrated gradients from many background images',
      settings: { samples: count },
      make: (values, background) =>
        expectedGradients({ ...values, background: needed(background, 'expected-gradients') }),
    }),
  ),
  'gradient-shap': shares(
    entry({
      summary: 'the same with noise on the image',
      settings: { samples: count, sigma: nonNegative },
      make: (values, background) => gradientShap({ ...values, background: needed(background, 'gradient-shap') }),
    }),
  ),
  'deep-lift': shares(
    entry({
      summary: 'differences from a baseline, shared out layer by layer',
      aliases: ['deeplift'],
      settings: { rule: oneOf('rescale', 'reveal-cancel', 'reveal-cancel-on-dense'), baseline },
      make: deepLift,
    }),
  ),
  'deep-shap': shares(
    entry({
      summary: 'DeepLIFT from many background images',
      aliases: ['deep-lift-shap', 'deepshap'],
      settings: { rule: oneOf('rescale', 'reveal-cancel', 'reveal-cancel-on-dense') },
      make: (values, background) => deepShap({ ...values, background: needed(background, 'deep-shap') }),
    }),
  ),
  lrp: shares(
    entry({
      summary: 'layer-wise relevance propagation',
      settings: { composite, initial: oneOf('value', 'one') },
      make: lrp,
    }),
  ),
  'excitation-backprop': shares(
    entry({
      summary: 'how likely a winning walk from the class ends at each input',
      settings: { contrastive: yesOrNo },
      make: excitationBackprop,
    }),
  ),
  'guided-backprop': slopes(
    entry({
      summary: 'slope through rectifiers that are open both ways',
      aliases: ['guided-backpropagation', 'gbp'],
      make: guidedBackprop,
    }),
  ),
  deconvnet: slopes(
    entry({ summary: 'slope through rectifiers that are open backwards', aliases: ['deconvolution'], make: deconvnet }),
  ),
  cam: shares(
    entry({
      summary: 'class activation map, for heads of global average pooling',
      settings: map,
      make: classActivationMap,
    }),
  ),
  'grad-cam': shares(
    entry({
      summary: 'feature maps weighed by mean slopes',
      aliases: ['gradcam', 'layer-grad-cam'],
      settings: map,
      make: gradCam,
    }),
  ),
  'grad-cam++': shares(
    entry({
      summary: 'the same, for several objects of a class',
      aliases: ['gradcam++', 'grad-cam-plus-plus'],
      settings: { ...map, weighting: oneOf('sum', 'mean') },
      make: gradCamPlusPlus,
    }),
  ),
  'xgrad-cam': shares(
    entry({
      summary: 'feature maps weighed by slopes in proportion to activations',
      aliases: ['xgradcam'],
      settings: map,
      make: xGradCam,
    }),
  ),
  'hires-cam': shares(
    entry({
      summary: 'activations times slopes, element by element',
      aliases: ['hirescam'],
      settings: map,
      make: hiResCam,
    }),
  ),
  'layer-cam': shares(
    entry({
      summary: 'activations times positive slopes, element by element',
      aliases: ['layercam'],
      settings: map,
      make: layerCam,
    }),
  ),
  'score-cam': shares(
    entry({
      summary: 'feature maps weighed by what the image says through each',
      aliases: ['scorecam'],
      settings: { ...map, weighting: oneOf('softmax', 'increase'), baseline },
      make: scoreCam,
    }),
  ),
  'guided-grad-cam': slopes(
    entry({
      summary: 'guided backpropagation times Grad-CAM',
      aliases: ['guided-gradcam'],
      settings: { resize: oneOf('bilinear', 'bilinear-corners', 'nearest') },
      make: guidedGradCam,
    }),
  ),
  occlusion: shares(
    entry({
      summary: 'what is lost behind a window that is moved over the image',
      settings: { window: count, stride: count, baseline },
      make: occlusion,
    }),
  ),
  'feature-ablation': shares(
    entry({
      summary: 'what is lost without each superpixel or feature',
      settings: { features, baseline },
      make: featureAblation,
    }),
  ),
  rise: shares(
    entry({
      summary: 'mean of random masks, by what the image says through them',
      settings: {
        samples: count,
        cells: count,
        probability: share,
        normalisation: oneOf('expected', 'empirical'),
        baseline,
      },
      make: rise,
    }),
  ),
  lime: shares(
    entry({
      summary: 'linear model of what the image says without superpixels',
      settings: { samples: count, kernelWidth: nonNegative, ridge: nonNegative, features, baseline },
      make: lime,
    }),
  ),
  'kernel-shap': shares(
    entry({
      summary: 'Shapley values of superpixels, by weighted regression',
      aliases: ['kernelshap'],
      settings: { samples: count, features, baseline },
      make: kernelShap,
    }),
  ),
  'shapley-sampling': shares(
    entry({
      summary: 'Shapley values of superpixels, by random orders',
      aliases: ['shapley-value-sampling'],
      settings: { permutations: count, antithetic: yesOrNo, features, baseline },
      make: shapleySampling,
    }),
  ),
  'exact-shapley': shares(
    entry({
      summary: 'Shapley values of a few superpixels, from all coalitions',
      aliases: ['shapley-values'],
      settings: { features, baseline },
      make: exactShapley,
    }),
  ),
  activation: shares(entry({ summary: 'values of a layer', aliases: ['layer-activation'], make: activation })),
  conductance: shares(
    entry({
      summary: 'integrated gradients through a layer',
      aliases: ['layer-conductance'],
      settings: path,
      make: conductance,
    }),
  ),
  'internal-influence': slopes(
    entry({ summary: 'mean slope by a layer on the way from a baseline', settings: path, make: internalInfluence }),
  ),
  'neuron-conductance': shares(
    entry({
      summary: 'integrated gradients through one unit',
      settings: { ...path, unit: anyText },
      make: ({ unit, ...values }) => {
        if (unit === undefined)
          throw new UsageError("'neuron-conductance' needs unit=LAYER:CHANNEL or LAYER:CHANNEL:Y:X");
        return neuronConductance({ ...values, unit });
      },
    }),
  ),
  random: shares(entry({ summary: 'random numbers: what every method must beat', make: randomAttribution })),
  edges: shares(entry({ summary: 'edges of the image, whatever the model', aliases: ['sobel'], make: edges })),
};

export interface NamedMethod extends MapReading {
  /** As it was written. */
  readonly text: string;
  readonly name: string;
  readonly method: AttributionMethod;
}

/**
 * The methods that a list asks for: `gradient,ig:steps=20,smoothgrad`.
 *
 * @param background images [N, ...] for methods that compare with a set of them
 * @throws UsageError for a name, setting or value that there is not
 */
export const methodsFrom = (list: string, background?: Tensor): NamedMethod[] =>
  findAll(methodCatalogue, 'method', list).map(({ text, name, entry, settings }) => {
    // The mean of maps over noisy copies is read as the maps are.
    const read = (name === 'smoothgrad' && settings.method !== undefined && lookUp(settings.method)) || entry;
    return { text, name, method: entry.make(settings, background), ranking: read.ranking, scale: read.scale };
  });
