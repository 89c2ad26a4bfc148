/** All classes but the true one, the likeliest first. */
export const wrongClasses = (logits: Float32Array, label: number): number[] =>
  [...logits.keys()].filter((k) => k !== label).sort((a, b) => logits[b]! - logits[a]! || a - b);
