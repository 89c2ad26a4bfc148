import type { Norm } from '../ball.ts';

const clip = (value: number) => Math.min(1, Math.max(0, value));

/**
 * The point of ball and box nearest to x in the l2 sense, in double precision: by definition in linf, else by bisection
 * of the multiplier of the Lagrangian to 60 bits.
 */
export function nearestPoint(norm: Norm, x: readonly number[], origin: readonly number[], epsilon: number): number[] {
  if (norm === 'linf')
    return x.map((value, i) => clip(Math.min(Math.max(value, origin[i]! - epsilon), origin[i]! + epsilon)));
  const delta = x.map((value, i) => value - origin[i]!);
  const at = (multiplier: number) =>
    delta.map((d, i) => {
      const length = norm === 'l2' ? Math.abs(d) * multiplier : Math.max(0, Math.abs(d) - multiplier);
      return clip(origin[i]! + Math.sign(d) * length);
    });
  const inside = (point: readonly number[]) => {
    const lengths = point.map((value, i) => Math.abs(value - origin[i]!));
    return (norm === 'l2' ? Math.hypot(...lengths) : lengths.reduce((sum, length) => sum + length, 0)) <= epsilon;
  };
  const [free, tight] = norm === 'l2' ? [1, 0] : [0, delta.reduce((top, d) => Math.max(top, Math.abs(d)), 0)];
  if (inside(at(free))) return at(free);
  let [outer, inner] = [free, tight];
  for (let i = 0; i < 60; i++) {
    const middle = (outer + inner) / 2;
    if (inside(at(middle))) inner = middle;
    else outer = middle;
  }
  return at(inner);
}
