import type { Classifier } from '../../models/classifier.ts';
import type { ClippedValue } from '../../models/inspect-graph.ts';
import { inChunks, type Sample } from './gradients.ts';
import type { SaturatedClip } from './graph-checks.ts';

/** The share of elements that each Clip node cuts off on the images. */
export async function measureSaturation(
  classifier: Classifier,
  sample: Sample,
  clips: readonly ClippedValue[],
): Promise<SaturatedClip[]> {
  if (clips.length === 0) return [];
  const sums = clips.map(() => 0);
  await inChunks(
    classifier,
    sample,
    'saturation',
    ({ g, x, batch, model }) => {
      const applied = model(x);
      for (const [i, { value, low, high }] of clips.entries()) {
        const before = applied.value(value);
        const beyond = [
          low === null ? [] : [g.cast(g.lessOrEqual(before, g.constant(low, [], before)), 'float32')],
          high === null ? [] : [g.cast(g.greaterOrEqual(before, g.constant(high, [], before)), 'float32')],
        ].flat();
        const flags = beyond.length === 0 ? g.constant(0, before.shape) : g.sum(beyond);
        g.output(g.reduceMean(g.reshape(flags, [batch, -1]), [1]), `share_${i}`);
      }
    },
    (outputs) => {
      for (const i of clips.keys()) sums[i]! += outputs[`share_${i}`]!.reduce((a, b) => a + b, 0);
    },
  );
  return clips.map(({ node }, i) => ({ node, share: sums[i]! / sample.images.shape[0]! }));
}
