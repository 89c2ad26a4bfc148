/** @file The way that integrated gradients go: from a baseline to an image, or between the values of a layer at both. */
import { gradient } from 'onnx-grad';
import type { Tensor } from '../tensor.ts';
import { layerValues, valuesAt } from './at-images.ts';
import { explained, keyOfExplained } from './explained.ts';
import type { Task } from './explanation.ts';
import { mapImages } from './one-pass.ts';
import { between, type Integrand } from './path.ts';

export interface Way {
  /** [N, ...] */
  readonly start: Tensor;
  readonly end: Tensor;
  /** The gradient of what is explained at a place on the way. */
  readonly slope: Integrand;
  /** What is explained, at the end and at the start, [N]. */
  readonly output: Float32Array;
  readonly baseOutput: Float32Array;
}

const SLOPE = { stage: 'integrated-gradients', passes: { forwards: 1, backwards: 1 } };

export const wayOf = (task: Task, baselines: Tensor): Promise<Way> =>
  task.layer === undefined ? throughInputs(task, baselines) : throughLayer(task, baselines, task.layer);

async function throughInputs(task: Task, baselines: Tensor): Promise<Way> {
  const { images, targetRows, of } = task;
  return {
    start: baselines,
    end: images,
    slope: {
      ...SLOPE,
      key: `gradient of ${keyOfExplained(of)} between images`,
      images: { start: baselines, end: images, target: targetRows },
      write: ({ g, model }, { start, end, target }, { at }) => {
        const x = between(g, start!, end!, at);
        return gradient(g, { of: explained(g, model(x), target!, of), wrt: [x] })[0]!;
      },
    },
    output: await valuesAt(task),
    baseOutput: await valuesAt(task, baselines),
  };
}

/** The layer has a value on the way; all that goes past it comes from the image itself. */
async function throughLayer(task: Task, baselines: Tensor, layer: string): Promise<Way> {
  const { images, targetRows, of } = task;
  const [start, end] = [await layerValues(task, layer, baselines), await layerValues(task, layer, images)];
  const { value } = await mapImages(
    { ...task, onProgress: undefined },
    {
      key: `value of ${keyOfExplained(of)} with another ${layer}`,
      passes: { forwards: 1, backwards: 0 },
      feeds: { x: images, start, target: targetRows },
      write: ({ g, model }, { x, start, target }) => ({
        value: explained(g, model(x!, { [layer]: start! }), target!, of),
      }),
    },
  );
  return {
    start,
    end,
    slope: {
      ...SLOPE,
      key: `gradient of ${keyOfExplained(of)} between values of ${layer}`,
      images: { x: images, start, end, target: targetRows },
      write: ({ g, model }, { x, start, end, target }, { at }) => {
        const inner = between(g, start!, end!, at);
        return gradient(g, { of: explained(g, model(x!, { [layer]: inner }), target!, of), wrt: [inner] })[0]!;
      },
    },
    output: await valuesAt(task),
    baseOutput: value!.data,
  };
}
