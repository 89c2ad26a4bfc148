import type { Tensor } from '../tensor.ts';
import { explained, keyOfExplained } from './explained.ts';
import type { Task } from './explanation.ts';
import { mapImages } from './one-pass.ts';

/** What is explained, at the images of a task or at others in their place, [N]. */
export async function valuesAt(task: Task, images: Tensor = task.images): Promise<Float32Array> {
  const { value } = await mapImages(task, {
    key: `value of ${keyOfExplained(task.of)}`,
    passes: { forwards: 1, backwards: 0 },
    feeds: { x: images, target: task.targetRows },
    write: ({ g, model }, { x, target }) => ({ value: explained(g, model(x!), target!, task.of) }),
  });
  return value!.data;
}

/** The values of a layer at images, [N, ...]. */
export async function layerValues(task: Task, layer: string, images: Tensor): Promise<Tensor> {
  const { value } = await mapImages(
    { ...task, layer },
    {
      key: `values of ${layer}`,
      passes: { forwards: 1, backwards: 0 },
      feeds: { x: images },
      write: ({ model }, { x }) => ({ value: model(x!).value(layer) }),
    },
  );
  return value!;
}
