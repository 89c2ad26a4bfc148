/** @file Score-CAM: a channel counts for what the image keeps of its score when only that channel's places are shown. */
import type { GraphBuilder, Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { chunks, feed, floats, padRows } from '../../models/batching.ts';
import type { ClassifierProgram } from '../../models/classifier.ts';
import { softmaxRows } from '../../models/predict.ts';
import { concatRows, rows, type Tensor, zeros } from '../../tensor.ts';
import { valuesAt } from '../at-images.ts';
import { type Baseline, baselineDraws, baselinesOf } from '../baseline.ts';
import { checkChoice } from '../check-choice.ts';
import { explained, keyOfExplained } from '../explained.ts';
import type { Explain, Task } from '../explanation.ts';
import { mapImages } from '../one-pass.ts';
import { taskRows } from '../task-rows.ts';
import { acrossChannels, finished, type MapOptions, weighedLayer } from './activation-map.ts';
import { resized } from './resizing.ts';

const WEIGHTINGS = ['softmax', 'increase'] as const;

export interface ScoreCam extends Required<MapOptions> {
  readonly name: 'score-cam';
  readonly weighting: (typeof WEIGHTINGS)[number];
  readonly baseline: Baseline;
}

/**
 * Score-CAM: each channel, brought to the size of the image and to [0, 1], is laid over the image as a mask, and weighs
 * as much as what is explained is there. Wang et al. 2020, algorithm 1. As many forward passes an image as the layer has
 * channels, in batches. Masks are resized like the map, and bilinearly where that keeps the layer's size. A channel that
 * is the same everywhere shows nothing of the image.
 */
export const scoreCam = ({
  relu = true,
  resize = 'bilinear',
  weighting = 'softmax',
  baseline = 'black',
}: MapOptions & {
  /**
   * `'softmax'`, the default: of the increases of all channels, as published; as it does not change when a number is
   * added to all, what is explained at the baseline does not matter. `'increase'`: over the baseline, signed.
   */
  weighting?: ScoreCam['weighting'];
  /** What a mask lets through where it is 0. Default black. */
  baseline?: Baseline;
} = {}): ScoreCam => ({ name: 'score-cam', relu, resize, weighting, baseline });

export const explainScoreCam: Explain<ScoreCam> = async (task, method) => {
  const { classifier, images, batchSize } = task;
  checkChoice('weighting', method.weighting, WEIGHTINGS);
  if (baselineDraws(method.baseline) !== 1)
    throw new UsageError('Score-CAM masks towards one baseline an image: an average of several is none');
  const layer = weighedLayer(task);
  const count = images.shape[0]!;
  const baselines = baselinesOf(task, method.baseline);
  const parts: ExplainedBlock[] = [];
  // Block by block: the features of all images may be far larger than the images.
  for (const { start, end } of chunks(count, batchSize, classifier.description).chunks) {
    const block = { ...taskRows(task, start, end), onProgress: undefined };
    parts.push(
      await explainBlock(block, rows(baselines, start, end), method, layer, (done, channels) =>
        task.onProgress?.({ stage: method.name, done: start * channels + done, total: count * channels }),
      ),
    );
  }
  return {
    attributions: concatRows(parts.map(({ attributions }) => attributions)),
    output: concatRows(parts.map(({ output }) => output)).data,
    ...(method.weighting === 'increase' && { baseOutput: concatRows(parts.map(({ baseOutput }) => baseOutput!)).data }),
    layer,
  };
};

interface ExplainedBlock {
  readonly attributions: Tensor;
  readonly output: Tensor;
  readonly baseOutput?: Tensor;
}

async function explainBlock(
  task: Task,
  baselines: Tensor,
  method: ScoreCam,
  layer: string,
  onMasks: (done: number, channels: number) => void,
): Promise<ExplainedBlock> {
  const { images, of, targetRows } = task;
  const count = images.shape[0]!;
  const forward = await mapImages(task, {
    key: `features ${layer} of ${keyOfExplained(of)}`,
    passes: { forwards: 1, backwards: 0 },
    feeds: { x: images, target: targetRows },
    write: ({ g, model }, { x, target }) => {
      const applied = model(x!);
      return { features: applied.value(layer), output: explained(g, applied, target!, of) };
    },
  });
  const [features, output] = [forward.features!, forward.output!];
  if (features.shape.length !== 4)
    throw new UsageError(
      `Score-CAM lays channels over the image: '${layer}' has none, its shape is [${features.shape.slice(1).join(', ')}]`,
    );
  const channels = features.shape[1]!;
  const scores = zeros([count, channels]);
  const scored = await compileMasks(task, method, layer, features);
  for (let i = 0; i < count; i++) {
    const own = {
      image: rows(images, i, i + 1),
      baseline: rows(baselines, i, i + 1),
      target: rows(targetRows, i, i + 1),
    };
    const masks = { shape: [channels, 1, ...features.shape.slice(2)], data: rows(features, i, i + 1).data };
    scores.data.set(await scored(own, masks, (done) => onMasks(i * channels + done, channels)), i * channels);
  }
  const baseOutput =
    method.weighting === 'increase' ? { shape: [count], data: await valuesAt(task, baselines) } : undefined;
  const weights = baseOutput
    ? { ...scores, data: scores.data.map((score, k) => score - baseOutput.data[Math.floor(k / channels)]!) }
    : softmaxRows(scores);
  const combined = await mapImages(task, {
    key: `weighed features of shape ${features.shape.slice(1).join()}, relu ${method.relu}, resize ${method.resize}`,
    passes: { forwards: 0, backwards: 0 },
    feeds: { features, weights },
    write: ({ g, batch }, inputs) => {
      const spread = [batch, channels, ...features.shape.slice(2).map(() => 1)];
      const sum = acrossChannels(g, g.mul(inputs.features!, g.reshape(inputs.weights!, spread)));
      return { map: finished(g, sum, task.classifier.inputShape, method) };
    },
  });
  return { attributions: combined.map!, output, ...(baseOutput && { baseOutput }) };
}

/** What is explained of one image [1, ...] under each of its masks [C, 1, h, w]. */
type Scored = (
  own: Readonly<Record<'image' | 'baseline' | 'target', Tensor>>,
  masks: Tensor,
  onMasks: (done: number) => void,
) => Promise<Float32Array>;

async function compileMasks(
  { classifier, of, batchSize, cost, signal }: Task,
  { resize }: ScoreCam,
  layer: string,
  features: Tensor,
): Promise<Scored> {
  const plan = chunks(features.shape[1]!, batchSize, classifier.description);
  const how = resize === 'none' ? 'bilinear' : resize;
  const program: ClassifierProgram = await classifier.program(
    `score-cam at ${layer} of ${keyOfExplained(of)}, ${how}`,
    plan.batch,
    ({ g, batch, model }) => {
      const shape = [1, ...classifier.inputShape];
      const image = g.input('image', 'float32', shape);
      const baseline = g.input('baseline', 'float32', shape);
      const target = g.input('target', 'float32', [1, classifier.classes.length]);
      const mask = g.input('mask', 'float32', [batch, 1, ...features.shape.slice(2)]);
      const shown = toUnitRange(g, resized(g, mask, classifier.inputShape, how));
      const x = g.add(baseline, g.mul(shown, g.sub(image, baseline)));
      g.output(explained(g, model(x), target, of), 'score');
    },
  );
  return async (own, masks, onMasks) => {
    const scores = new Float32Array(masks.shape[0]!);
    for (const chunk of plan.chunks) {
      signal?.throwIfAborted();
      const feeds = { ...own, mask: padRows(masks, chunk, plan.batch) };
      const { fetched } = await program.run(
        Object.fromEntries(
          Object.entries(feeds)
            .filter(([name]) => program.inputNames.includes(name))
            .map(([name, tensor]) => [name, feed(tensor)]),
        ),
      );
      scores.set(floats(fetched.score!).subarray(0, chunk.end - chunk.start), chunk.start);
      cost.forwards += chunk.end - chunk.start;
      onMasks(chunk.end);
    }
    return scores;
  };
}

/** (m − min) / (max − min) of each mask; 0 where that is 0 / 0. */
function toUnitRange(g: GraphBuilder, masks: Value): Value {
  const least = g.reduceMin(masks, [1, 2, 3], true);
  const range = g.sub(g.reduceMax(masks, [1, 2, 3], true), least);
  const isFlat = g.lessOrEqual(range, g.constant(0, [], range));
  return g.div(g.sub(masks, least), g.where(isFlat, g.constant(1, [], range), range));
}
