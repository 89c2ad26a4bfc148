import { UsageError } from '../../errors.ts';
import { explained } from '../explained.ts';
import type { Task } from '../explanation.ts';
import type { OnePass } from '../one-pass.ts';
import { refuseLayer } from '../refuse-layer.ts';

export interface Edges {
  readonly name: 'edges';
}

/**
 * Edge detector: the magnitude of the Sobel gradient of the mean over the channels, borders repeated. It knows nothing of
 * the model; an explanation that looks like it may not either. Adebayo et al. 2018; Hooker et al. 2019. [N, 1, H, W].
 */
export const edges = (): Edges => ({ name: 'edges' });

const SOBEL = [
  [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  [-1, -2, -1, 0, 0, 0, 1, 2, 1],
];

export function edgesPass({ name }: Edges, task: Task): OnePass {
  const { classifier } = task;
  const { inputShape } = classifier;
  refuseLayer(task, name);
  if (inputShape.length !== 3)
    throw new UsageError(
      `only images have edges, and '${classifier.description.name}' takes [${inputShape.join(', ')}]`,
    );
  return {
    name,
    key: name,
    passes: { forwards: 1, backwards: 0 },
    write: ({ g, model, x, target, of }) => {
      const grey = g.reduceMean(x, [1], true);
      const around = g.op('Pad', [grey, g.integers([0, 0, 1, 1, 0, 0, 1, 1])], { mode: 'edge' });
      const kernels = g.constant(SOBEL.flat(), [2, 1, 3, 3]);
      const slopes = g.op('Conv', [around, kernels], { kernel_shape: [3, 3] });
      return {
        attributions: g.sqrt(g.reduceSum(g.square(slopes), [1], true)),
        output: explained(g, model(x), target, of),
      };
    },
  };
}
