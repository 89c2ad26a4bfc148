/** @file How radii are written wherever people read them. */

/** k when ε = k/255 and ε is not simply a short decimal such as 0.2 (which happens to be 51/255). */
export function greyLevels(epsilon: number): number | undefined {
  const k = Math.round(epsilon * 255);
  const isShort = Math.abs(epsilon * 100 - Math.round(epsilon * 100)) < 1e-6;
  return Math.abs(epsilon * 255 - k) < 1e-4 && (k === 0 || !isShort) ? k : undefined;
}

/** 0.031372… → "8/255"; 0.3 → "0.3". */
export function formatEpsilon(value: number): string {
  const k = greyLevels(value);
  return k === undefined || k === 0 ? String(Number(value.toPrecision(4))) : `${k}/255`;
}
