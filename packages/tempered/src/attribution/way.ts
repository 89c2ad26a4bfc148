/** @file The way that integrated gradients go: from a baseline to an image, or between the values of a layer at both. */
import { gradient, type Value } from 'onnx-grad';
import type { ProgramContext } from '../models/classifier.ts';
import type { Tensor } from '../tensor.ts';
import { valuesAt } from './at-images.ts';
import { Copies } from './deep-lift-copies.ts';
import { explained, keyOfExplained } from './explained.ts';
import type { Task } from './explanation.ts';
import { checkDependence } from './layer.ts';
import { mapImages } from './one-pass.ts';
import { between } from './path.ts';

export interface Way {
  /** [N, ...] */
  readonly start: Tensor;
  readonly end: Tensor;
  /** What is explained, at the end and at the start, [N]. */
  readonly output: Float32Array;
  readonly baseOutput: Float32Array;
  /** Names the programs that look at the way. */
  readonly key: string;
  /** Inputs with one row an image. */
  readonly images: Readonly<Record<string, Tensor>>;
  /** Writes what is explained at a place on the way, and its gradient there. */
  write(context: ProgramContext, inputs: Readonly<Record<string, Value>>, at: Value): { value: Value; slope: Value };
}

export const wayOf = (task: Task, baselines: Tensor): Promise<Way> =>
  task.layer === undefined ? throughInputs(task, baselines) : throughLayer(task, baselines, task.layer);

async function throughInputs(task: Task, baselines: Tensor): Promise<Way> {
  const { images, targetRows, of } = task;
  return {
    start: baselines,
    end: images,
    output: await valuesAt(task),
    baseOutput: await valuesAt(task, baselines),
    key: `${keyOfExplained(of)} between images`,
    images: { start: baselines, end: images, target: targetRows },
    write: ({ g, model }, { start, end, target }, at) => {
      const x = between(g, start!, end!, at);
      const value = explained(g, model(x), target!, of);
      return { value, slope: gradient(g, { of: value, wrt: [x] })[0]! };
    },
  };
}

/** The layer has a value on the way; all that goes past it comes from the image itself. */
async function throughLayer(task: Task, baselines: Tensor, layer: string): Promise<Way> {
  const { images, targetRows, of } = task;
  const ends = await mapImages(task, {
    key: `ends of the way of ${layer}`,
    passes: { forwards: 2, backwards: 0 },
    feeds: { x: images, baseline: baselines },
    write: ({ g, model }, { x, baseline }) => {
      // Copies share the noise of a random model.
      const [end, start] = new Copies(g, x!, baseline!).write(
        () => model(x!).value(layer),
        () => model(baseline!).value(layer),
      );
      return { end, start };
    },
  });
  const [start, end] = [ends.start!, ends.end!];
  const { value } = await mapImages(task, {
    key: `value of ${keyOfExplained(of)} with another ${layer}`,
    passes: { forwards: 1, backwards: 0 },
    feeds: { x: images, start, target: targetRows },
    write: ({ g, model }, { x, start, target }) => ({
      value: explained(g, model(x!, { [layer]: start! }), target!, of),
    }),
  });
  return {
    start,
    end,
    output: await valuesAt(task),
    baseOutput: value!.data,
    key: `${keyOfExplained(of)} between values of ${layer}`,
    images: { x: images, start, end, target: targetRows },
    write: ({ g, model }, { x, start, end, target }, at) => {
      const inner = between(g, start!, end!, at);
      const value = explained(g, model(x!, { [layer]: inner }), target!, of);
      checkDependence(g, value, inner, layer);
      return { value, slope: gradient(g, { of: value, wrt: [inner] })[0]! };
    },
  };
}
