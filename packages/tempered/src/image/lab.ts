/** @file CIELAB, the colours in which equal distances look about equally large, in portable arithmetic. */
import { root } from '../portable-math.ts';

/**
 * CIELAB values of one image of sRGB colours in [0, 1] with the white point D65 (CIE 15; IEC 61966-2-1).
 *
 * @param pixels [3, H, W] or, for grey, [1, H, W]; values beyond [0, 1] are clipped
 * @returns [H · W, 3]: lightness 0 to 100, then green to red and blue to yellow, about −110 to 110 each
 */
export function labOf(pixels: Float32Array, channels: 1 | 3): Float64Array {
  const area = pixels.length / channels;
  const lab = new Float64Array(area * 3);
  for (let p = 0; p < area; p++) {
    const red = linear(pixels[p]!);
    const green = channels === 1 ? red : linear(pixels[area + p]!);
    const blue = channels === 1 ? red : linear(pixels[2 * area + p]!);
    const x = compressed((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047);
    const y = compressed(0.2126729 * red + 0.7151522 * green + 0.072175 * blue);
    const z = compressed((0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883);
    lab[3 * p] = 116 * y - 16;
    lab[3 * p + 1] = 500 * (x - y);
    lab[3 * p + 2] = 200 * (y - z);
  }
  return lab;
}

/** Light of an sRGB value: ((v + 0.055) / 1.055)^2.4, straight near black. */
function linear(value: number): number {
  const v = Math.min(1, Math.max(0, value));
  if (v <= 0.04045) return v / 12.92;
  const base = (v + 0.055) / 1.055;
  return base * base * root(base * base, 5);
}

const compressed = (t: number): number => (t > 216 / 24389 ? root(t, 3) : ((24389 / 27) * t + 16) / 116);
