/** @file Methods of attribution by name and settings, as command lines write them: `ig:steps=20,baseline=white`. */
import type { AttributionMethod } from './attribute.ts';
import { gradientTimesInput, plainGradient } from './gradient.ts';
import { integratedGradients } from './integrated-gradients.ts';
import { count, type Entry, entry, findAll, nonNegative, oneOf, yesOrNo } from './settings.ts';
import { smoothGrad } from './smoothgrad.ts';

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

const SLOPES: MapReading = { ranking: 'magnitude', scale: 'local' };
const SHARES: MapReading = { ranking: 'signed', scale: 'global' };

const baseline = oneOf('black', 'white', 'mean');

/** The methods by the names that users write; one line a method. */
export const methodCatalogue: Readonly<Record<string, MethodEntry>> = {
  gradient: {
    ...SLOPES,
    ...entry({
      summary: 'slope of the output by each input',
      aliases: ['saliency', 'vanilla-gradient'],
      settings: { absolute: yesOrNo },
      make: plainGradient,
    }),
  },
  'gradient-times-input': {
    ...SHARES,
    ...entry({
      summary: 'slope times input',
      aliases: ['input-x-gradient', 'gradient-x-input'],
      make: gradientTimesInput,
    }),
  },
  smoothgrad: {
    ...SLOPES,
    ...entry({
      summary: 'mean slope at noisy copies',
      settings: { samples: count, sigma: nonNegative },
      make: smoothGrad,
    }),
  },
  'integrated-gradients': {
    ...SHARES,
    ...entry({
      summary: 'mean slope on the way from a baseline, times the way',
      aliases: ['ig'],
      settings: { steps: count, baseline },
      make: integratedGradients,
    }),
  },
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
 * @throws UsageError for a name, setting or value that there is not
 */
export const methodsFrom = (list: string): NamedMethod[] =>
  findAll(methodCatalogue, 'method', list).map(({ text, name, entry, settings }) => ({
    text,
    name,
    method: entry.make(settings),
    ranking: entry.ranking,
    scale: entry.scale,
  }));
