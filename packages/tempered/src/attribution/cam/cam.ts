import { UsageError } from '../../errors.ts';
import { classActivationHead, classActivationMaps } from '../../objectives/class-activation-map.ts';
import { explained } from '../explained.ts';
import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { acrossChannels, finished, type MapOptions } from './activation-map.ts';

export interface Cam extends Required<MapOptions> {
  readonly name: 'cam';
}

/**
 * Class activation map: what each position of the last feature map adds to the class's logit, signed, times the number
 * of positions. Zhou et al. 2016, eq. 2. For networks that end in global average pooling and one linear layer, and for
 * logits and differences of two; Grad-CAM takes all others.
 *
 * @throws UsageError for another head, layer, or objective
 */
export const classActivationMap = ({
  relu = false,
  resize = 'bilinear',
}: Omit<MapOptions, 'relu'> & {
  /** Default false: the published map is signed. */
  relu?: boolean;
} = {}): Cam => ({ name: 'cam', relu, resize });

export function camPass(method: Cam, { classifier, of, layer }: Task): OnePass {
  if (of !== 'logit' && (typeof of === 'string' || !('minus' in of)))
    throw new UsageError(
      `class activation maps explain a logit or the difference of two, not ${typeof of === 'string' ? `a ${of}` : 'a unit'}: take Grad-CAM for that`,
    );
  const head = classActivationHead(classifier.description);
  if (layer !== undefined && layer !== head.featureMap)
    throw new UsageError(
      `class activation maps are those of the layer before the pooling, '${head.featureMap}', not of '${layer}': take Grad-CAM for that`,
    );
  return {
    name: method.name,
    key: `${method.name}, relu ${method.relu}, resize ${method.resize}`,
    passes: { forwards: 1, backwards: 0 },
    layer: head.featureMap,
    write: ({ g, model, x, target, batch }) => {
      const applied = model(x);
      const maps = classActivationMaps(g, applied, head);
      const own = acrossChannels(g, g.mul(maps, g.reshape(target, [batch, target.shape[1]!, 1, 1])));
      return {
        attributions: finished(g, own, classifier.inputShape, method),
        output: explained(g, applied, target, of),
      };
    },
  };
}
