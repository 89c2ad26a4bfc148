/** @file Which layer gets which rule: composites of the literature, with zennit's names and defaults. */
import {
  alphaBetaRule,
  boxRule,
  epsilonRule,
  flatRule,
  gammaRule,
  type LrpRule,
  zeroRule,
  zPlusRule,
} from './rules.ts';
import type { Stabiliser } from './stabilise.ts';

export interface Composite {
  /** Layers with weights that no other comes before. Default: as the others. */
  readonly first?: LrpRule;
  /** Layers with weights that no other comes after. Default: as the others. */
  readonly last?: LrpRule;
  /** Conv and ConvTranspose. */
  readonly convolution: LrpRule;
  /** Gemm, and MatMul by weights. */
  readonly dense: LrpRule;
  /** Sums, averages, normalisation that could not be merged into a layer, and whatever else is no activation: `epsilonRule` or `zeroRule`. */
  readonly other: LrpRule;
}

interface CompositeOptions {
  /** Of the dense layers and sums. Default 1e-6. */
  epsilon?: number;
  /** Of all other rules. Default {epsilon: 1e-6}. */
  stabiliser?: Stabiliser;
}

const STABILISER: Stabiliser = { epsilon: 1e-6 };

/** One rule everywhere; sums and averages get `other`, by default the rule itself where it is ε or 0, else ε. */
export const uniformRules = (
  rule: LrpRule = zeroRule(),
  { other = rule.rule === 'epsilon' ? rule : epsilonRule() }: { other?: LrpRule } = {},
): Composite => ({ convolution: rule, dense: rule, other });

/**
 * zB in the first layer, γ in the other convolutions, ε in dense layers. Montavon et al. 2019, §10.3. Of inputs that leave
 * [low, high], `attribute` throws a UsageError.
 */
export const epsilonGammaBox = ({
  low = 0,
  high = 1,
  gamma = 0.25,
  epsilon = 1e-6,
  stabiliser = STABILISER,
}: CompositeOptions & {
  /** Least and largest value of the input. Default 0 and 1. */
  low?: number;
  high?: number;
  /** Default 0.25. */
  gamma?: number;
} = {}): Composite => ({
  first: boxRule({ low, high, stabiliser }),
  convolution: gammaRule({ gamma, stabiliser }),
  dense: epsilonRule({ epsilon }),
  other: epsilonRule({ epsilon }),
});

/** z⁺ in convolutions, ε in dense layers. */
export const epsilonPlus = ({ epsilon = 1e-6, stabiliser = STABILISER }: CompositeOptions = {}): Composite => ({
  convolution: zPlusRule({ stabiliser }),
  dense: epsilonRule({ epsilon }),
  other: epsilonRule({ epsilon }),
});

/** α = 2, β = 1 in convolutions, ε in dense layers. Kohlbrenner et al. 2020. */
export const epsilonAlpha2Beta1 = ({ epsilon = 1e-6, stabiliser = STABILISER }: CompositeOptions = {}): Composite => ({
  convolution: alphaBetaRule({ stabiliser }),
  dense: epsilonRule({ epsilon }),
  other: epsilonRule({ epsilon }),
});

/** `epsilonPlus` with the flat rule in the first layer. Kohlbrenner et al. 2020. */
export const epsilonPlusFlat = (options: CompositeOptions = {}): Composite => ({
  ...epsilonPlus(options),
  first: flatRule({ stabiliser: options.stabiliser ?? STABILISER }),
});

/** `epsilonAlpha2Beta1` with the flat rule in the first layer. Kohlbrenner et al. 2020. */
export const epsilonAlpha2Beta1Flat = (options: CompositeOptions = {}): Composite => ({
  ...epsilonAlpha2Beta1(options),
  first: flatRule({ stabiliser: options.stabiliser ?? STABILISER }),
});
