/** @file Numbers as people read them: one way for the whole report. */
import { formatEpsilon as epsilon, greyLevels } from '../epsilon.ts';

export { epsilon };

/** 0.9411 → "94.1%". */
export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** [0.929, 0.951] → "[92.9, 95.1]", in per cent, on one line. */
export const percentInterval = ({ lower, upper }: { lower: number; upper: number }): string =>
  `[${(100 * lower).toFixed(1)},\u00a0${(100 * upper).toFixed(1)}]`;

/** As `percent`, but never a rounded certainty: 0.9999 → ">99.9%". */
export function probability(value: number): string {
  if (value < 1 && value > 0.9995) return '>99.9%';
  if (value > 0 && value < 0.0005) return '<0.1%';
  return percent(value);
}

/** 20000 → "20,000". */
export const count = (value: number): string => value.toLocaleString('en-GB', { maximumFractionDigits: 0 });

/** 2 → "2nd", 99 → "99th", 99.9 → "99.9th". */
export function ordinal(value: number): string {
  const isWhole = Number.isInteger(value) && !(value % 100 > 10 && value % 100 < 20);
  return `${value}${(isWhole && ['th', 'st', 'nd', 'rd'][value % 10]) || 'th'}`;
}

/** 1, "seed" → "1 seed"; 3 → "3 seeds". */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

const isPlain = (value: number): boolean => value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);

const scientific = (value: number): string => value.toExponential(1).replace('e+', 'e');

/** At most three significant digits, no needless zeros: 0.5 → "0.5". For axes and settings. */
export const figure = (value: number): string =>
  isPlain(value) ? String(Number(value.toPrecision(3))) : scientific(value);

/** Always three significant digits, up to thousands: 0.5 → "0.500". For measured values beside each other. */
export const measured = (value: number): string =>
  isPlain(value) && value !== 0 && Math.abs(value) < 999.5 ? value.toPrecision(3) : figure(value);

/** 83 → "1 min 23 s". */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

/** ε below each other in a column: decimals are padded to the same length so that their points align. */
export function epsilonColumn(values: readonly number[]): string[] {
  const decimals = Math.max(0, ...values.map((value) => epsilon(value).split('.')[1]?.length ?? 0));
  return values.map((value) => (epsilon(value).includes('/') ? epsilon(value) : value.toFixed(decimals)));
}

/** How to label an axis of these ε: in units of 1/255 when all of them are whole multiples, otherwise as they are. */
export function epsilonScale(values: readonly number[]): { unit: string; label: (value: number) => string } {
  const whole = values.some((value) => value > 0) && values.every((value) => greyLevels(value) !== undefined);
  return whole
    ? { unit: '1/255', label: (value) => String(Math.round(value * 255)) }
    : { unit: '', label: (value) => String(Number(value.toPrecision(4))) };
}

const NORMS: Readonly<Record<string, string>> = { linf: 'ℓ∞', l2: 'ℓ₂', l1: 'ℓ₁' };

/** "linf" → "ℓ∞". */
export const norm = (name: string): string => NORMS[name] ?? name;

/** ["a", "b", "c"] → "a, b and c". */
export const list = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
