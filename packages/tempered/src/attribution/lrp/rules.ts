/** @file The rules of layer-wise relevance propagation, as plain data, and what each of them is made of. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import type { Stabiliser } from './stabilise.ts';

/**
 * What becomes of the relevance that a bias deserves: it is lost, the bias being changed as the weights are
 * (`modified`) or not at all (`kept`); or it is shared out to the inputs (`ignored`), which conserves relevance.
 */
export type BiasTreatment = 'modified' | 'kept' | 'ignored';

interface Stabilised {
  readonly stabiliser: Stabiliser;
}

export type LrpRule =
  | ({ readonly rule: 'epsilon'; readonly bias: 'modified' | 'ignored' } & Stabilised)
  | ({
      readonly rule: 'gamma';
      readonly gamma: number;
      readonly generalised: boolean;
      readonly bias: BiasTreatment;
    } & Stabilised)
  | ({ readonly rule: 'z-plus'; readonly generalised: boolean; readonly bias: BiasTreatment } & Stabilised)
  | ({
      readonly rule: 'alpha-beta';
      readonly alpha: number;
      readonly beta: number;
      readonly bias: 'modified' | 'ignored';
    } & Stabilised)
  | ({ readonly rule: 'box'; readonly low: number; readonly high: number } & Stabilised)
  | ({ readonly rule: 'w-square'; readonly bias: 'modified' | 'ignored' } & Stabilised)
  | ({ readonly rule: 'flat' } & Stabilised)
  | { readonly rule: 'pass' };

const STABILISER: Stabiliser = { epsilon: 1e-6 };

/** LRP-0: R_i = x_i Σ_j w_ij R_j / z_j with z_j = Σ_i x_i w_ij + b_j. Bach et al. 2015, eq. 56. */
export const zeroRule = ({ bias = 'modified' }: { bias?: 'modified' | 'ignored' } = {}): LrpRule => ({
  rule: 'epsilon',
  bias,
  stabiliser: { epsilon: 0 },
});

/** LRP-ε: as `zeroRule`, with z_j + ε·sign z_j. Bach et al. 2015, eq. 58. `epsilon` is in units of z, or see `Stabiliser`. */
export const epsilonRule = ({
  epsilon = 1e-6,
  clip = false,
  normScale = false,
  bias = 'modified',
}: Partial<Stabiliser> & { bias?: 'modified' | 'ignored' } = {}): LrpRule => ({
  rule: 'epsilon',
  bias,
  stabiliser: { epsilon, clip, normScale },
});

/**
 * LRP-γ: contributions x_i (w_ij + γ w_ij⁺). Montavon et al. 2019, §10.2.1. `generalised` (the default) favours, for
 * inputs of either sign, the contributions of the sign that z_j has (Andéol et al. 2021); both are one where all
 * inputs and outputs are positive.
 */
export const gammaRule = ({
  gamma = 0.25,
  generalised = true,
  bias = 'modified',
  stabiliser = STABILISER,
}: {
  gamma?: number;
  generalised?: boolean;
  bias?: BiasTreatment;
  stabiliser?: Stabiliser;
} = {}): LrpRule => ({ rule: 'gamma', gamma, generalised, bias, stabiliser });

/**
 * z⁺: shares by positive contributions alone. Montavon et al. 2017, for positive inputs; `generalised` (the
 * default) also counts negative inputs through negative weights, otherwise the contributions are x_i w_ij⁺.
 */
export const zPlusRule = ({
  generalised = true,
  bias = 'modified',
  stabiliser = STABILISER,
}: {
  generalised?: boolean;
  bias?: BiasTreatment;
  stabiliser?: Stabiliser;
} = {}): LrpRule => ({ rule: 'z-plus', generalised, bias, stabiliser });

/** αβ: α times the shares by positive contributions, minus β times those by negative ones; α − β = 1 conserves. Bach et al. 2015, eq. 60. */
export const alphaBetaRule = ({
  alpha = 2,
  beta = 1,
  bias = 'modified',
  stabiliser = STABILISER,
}: {
  alpha?: number;
  beta?: number;
  bias?: 'modified' | 'ignored';
  stabiliser?: Stabiliser;
} = {}): LrpRule => ({ rule: 'alpha-beta', alpha, beta, bias, stabiliser });

/** zB, for inputs between `low` and `high`: contributions x_i w_ij − low w_ij⁺ − high w_ij⁻. Montavon et al. 2017. Default: pixels in [0, 1]. */
export const boxRule = ({
  low = 0,
  high = 1,
  stabiliser = STABILISER,
}: {
  low?: number;
  high?: number;
  stabiliser?: Stabiliser;
} = {}): LrpRule => ({ rule: 'box', low, high, stabiliser });

/** w²: shares by squared weights, whatever the inputs. Montavon et al. 2017. */
export const wSquareRule = ({
  bias = 'modified',
  stabiliser = STABILISER,
}: {
  bias?: 'modified' | 'ignored';
  stabiliser?: Stabiliser;
} = {}): LrpRule => ({ rule: 'w-square', bias, stabiliser });

/** Flat: equal shares for all inputs of a unit. Lapuschkin et al. 2019. */
export const flatRule = ({ stabiliser = STABILISER }: { stabiliser?: Stabiliser } = {}): LrpRule => ({
  rule: 'flat',
  stabiliser,
});

/** Relevance passes unchanged; the input must have the output's shape. */
export const passRule = (): LrpRule => ({ rule: 'pass' });

/** What takes the place of a layer's weights or bias. */
export type Change = (g: GraphBuilder, weight: Value) => Value;

/** What takes the place of a layer's input: itself, its positive or negative part, ones, or the ends of the box. */
export type InputPart = 'x' | 'positive' | 'negative' | 'ones' | 'low' | 'high';

/** Contributions ± input · weight, and ± bias where there is a change for it. */
export interface Term {
  readonly input: InputPart;
  readonly weight: Change;
  readonly bias?: Change;
  readonly sign: 1 | -1;
}

/** `factor` times the relevance is shared out in proportion to the contributions; only that of outputs of one sign, where `outputs` says. */
export interface Share {
  readonly factor: number;
  readonly outputs?: 'positive' | 'negative';
  readonly terms: readonly Term[];
}

const same: Change = (_, w) => w;
const positive: Change = (g, w) => g.max(w, g.constant(0, [], w));
const negative: Change = (g, w) => g.min(w, g.constant(0, [], w));
const square: Change = (g, w) => g.square(w);
const one: Change = (g, w) => g.constant(1, w.shape, w);

/** w + γ times its part of one sign. */
const favouring =
  (gamma: number, part: Change): Change =>
  (g, w) =>
    g.add(w, g.scale(part(g, w), gamma));

/** The bias's place in a term, by what becomes of its relevance. */
const biasAs = (bias: BiasTreatment, change: Change): { bias?: Change } =>
  bias === 'ignored' ? {} : { bias: bias === 'kept' ? same : change };

/** What a rule is made of. Of inputs that are never negative there are no negative parts. */
export function sharesOf(rule: Exclude<LrpRule, { rule: 'pass' }>, nonNegative: boolean): Share[] {
  const split = (plus: Change, minus: Change, bias: { bias?: Change }): Term[] => {
    const terms: Term[] = [{ input: 'positive', weight: plus, ...bias, sign: 1 }];
    return nonNegative ? terms : [...terms, { input: 'negative', weight: minus, sign: 1 }];
  };
  switch (rule.rule) {
    case 'epsilon':
      return [{ factor: 1, terms: [{ input: 'x', weight: same, ...biasAs(rule.bias, same), sign: 1 }] }];
    case 'gamma': {
      const more = favouring(rule.gamma, positive);
      const less = favouring(rule.gamma, negative);
      if (!rule.generalised)
        return [{ factor: 1, terms: [{ input: 'x', weight: more, ...biasAs(rule.bias, more), sign: 1 }] }];
      return [
        { factor: 1, outputs: 'positive', terms: split(more, less, biasAs(rule.bias, more)) },
        { factor: 1, outputs: 'negative', terms: split(less, more, biasAs(rule.bias, less)) },
      ];
    }
    case 'z-plus': {
      const bias = biasAs(rule.bias, positive);
      if (!rule.generalised) return [{ factor: 1, terms: [{ input: 'x', weight: positive, ...bias, sign: 1 }] }];
      return [{ factor: 1, terms: split(positive, negative, bias) }];
    }
    case 'alpha-beta':
      return [
        { factor: rule.alpha, terms: split(positive, negative, biasAs(rule.bias, positive)) },
        { factor: -rule.beta, terms: split(negative, positive, biasAs(rule.bias, negative)) },
      ].filter(({ factor }) => factor !== 0);
    case 'box':
      // The bias comes to nothing: b − b⁺ − b⁻ = 0.
      return [
        {
          factor: 1,
          terms: [
            { input: 'x', weight: same, sign: 1 },
            { input: 'low', weight: positive, sign: -1 },
            { input: 'high', weight: negative, sign: -1 },
          ],
        },
      ];
    case 'w-square':
      return [{ factor: 1, terms: [{ input: 'ones', weight: square, ...biasAs(rule.bias, square), sign: 1 }] }];
    case 'flat':
      return [{ factor: 1, terms: [{ input: 'ones', weight: one, sign: 1 }] }];
  }
}

const NAMES: Readonly<Record<LrpRule['rule'], true>> = {
  epsilon: true,
  gamma: true,
  'z-plus': true,
  'alpha-beta': true,
  box: true,
  'w-square': true,
  flat: true,
  pass: true,
};

/** Throws a UsageError for a rule that there is not, or numbers that it cannot have. */
export function checkRule(rule: LrpRule): void {
  if (!Object.hasOwn(NAMES, rule.rule))
    throw new UsageError(
      `relevance has no rule '${String(rule.rule)}': there are ${Object.keys(NAMES).join(', ')}, made by epsilonRule() and the like`,
    );
  const numbers: Record<string, number> = {};
  if ('stabiliser' in rule) numbers.epsilon = rule.stabiliser.epsilon;
  if (rule.rule === 'gamma') numbers.gamma = rule.gamma;
  if (rule.rule === 'alpha-beta') Object.assign(numbers, { alpha: rule.alpha, beta: rule.beta });
  for (const [name, value] of Object.entries(numbers))
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new UsageError(`${name} of the ${rule.rule} rule must be 0 or more, not ${value}`);
  if (rule.rule === 'box' && !(rule.low < rule.high && Number.isFinite(rule.high - rule.low)))
    throw new UsageError(`the box rule needs finite numbers, low below high, not ${rule.low} and ${rule.high}`);
}
