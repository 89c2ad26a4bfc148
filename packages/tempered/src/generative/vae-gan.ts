/** @file VAE-GANs: three networks, as ONNX graphs, and their files. */
import {
  type Dimension,
  emptyGraph,
  type Graph,
  GraphBuilder,
  ModelError,
  parseModel,
  type Value,
  writeModel,
} from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { type Network, toSignedRange } from '../models/layers.ts';
import { createRandom } from '../random.ts';
import { type Layout, layouts } from './layouts.ts';
import { writeLayers } from './write-layers.ts';

export type Part = 'encoder' | 'decoder' | 'discriminator';

export const PARTS = ['encoder', 'decoder', 'discriminator'] as const satisfies readonly Part[];

/**
 * A variational autoencoder whose decoder is trained against a discriminator; an approximation of the manifold of
 * images. Each graph has a symbolic batch size, and pixels in [0, 1] outside, [−1, 1] inside.
 */
export interface VaeGan {
  /** Channels, height, width. */
  readonly imageShape: readonly number[];
  readonly codeSize: number;
  /**
   * encoder: `image` [N, C, H, W] → `mean` and `log_variance`, [N, codeSize]. decoder: `code` [N, codeSize] → `image`.
   * discriminator: `image` → `probability` [N, 1] of being real.
   */
  readonly graphs: Readonly<Record<Part, Graph>>;
}

/** The input of each part. */
export const INPUTS = { encoder: 'image', decoder: 'code', discriminator: 'image' } as const satisfies Record<
  Part,
  string
>;

/**
 * A freshly initialised VAE-GAN with the networks of Kim, Seo & Jeon 2019: `mnist` for images of 1×28×28 (MNIST,
 * Fashion-MNIST), `cifar` for 3×32×32. Glorot-uniform weights, zero biases. Equal seeds give equal weights.
 *
 * @throws UsageError for images of another shape
 * @example
 * const vaeGan = createVaeGan({ imageShape: [1, 28, 28], seed: 1 });
 */
export function createVaeGan({ imageShape, seed = 0 }: { imageShape: readonly number[]; seed?: number }): VaeGan {
  const layout = Object.values(layouts).find((known) => known.imageShape.join() === imageShape.join());
  if (layout === undefined)
    throw new UsageError(`VAE-GANs are made for images of 1x28x28 or 3x32x32, not ${imageShape.join('x')}`);
  return writeLayout(layout, seed);
}

/** The networks of a layout with fresh weights. */
export function writeLayout({ imageShape, codeSize, ...layers }: Layout, seed: number): VaeGan {
  const graph = (part: Part, write: (net: Network, x: Value) => Record<string, Value>): Graph => {
    const g = new GraphBuilder(emptyGraph(`vae-gan-${part}`));
    const own = part === 'decoder' ? [codeSize] : imageShape;
    const input = g.input(INPUTS[part], 'float32', [1, ...own]);
    const outputs = Object.entries(write({ g, random: createRandom(seed, 'weights', part) }, input));
    g.graph.inputs = [{ name: input.name, dtype: 'float32', shape: ['N', ...own] }];
    g.graph.outputs = outputs.map(([name, value]) => ({
      name: g.rename(value, name).name,
      dtype: 'float32',
      shape: ['N', ...value.shape.slice(1)],
    }));
    return g.graph;
  };
  return {
    imageShape,
    codeSize,
    graphs: {
      encoder: graph('encoder', (net, x) => {
        const code = writeLayers(net, toSignedRange(net, x), layers.encoder);
        const [mean, logVariance] = net.g.split(code, [codeSize, codeSize], 1) as [Value, Value];
        return { mean, log_variance: logVariance };
      }),
      decoder: graph('decoder', (net, x) => {
        const signed = writeLayers(net, x, layers.decoder);
        return { image: net.g.offset(net.g.scale(signed, 0.5), 0.5) };
      }),
      discriminator: graph('discriminator', (net, x) => {
        // The last activation is renamed to what it is.
        return { probability: writeLayers(net, toSignedRange(net, x), layers.discriminator) };
      }),
    },
  };
}

/** Says in a file which part it holds. */
const PART = 'tempered.vae_gan';

/** The three networks as ONNX files; any ONNX runtime can run them. */
export function writeVaeGan({ graphs }: VaeGan): Record<Part, Uint8Array> {
  const file = (part: Part): Uint8Array =>
    writeModel({
      ...graphs[part],
      metadata: { ...graphs[part].metadata, [PART]: part, 'tempered.pixel_range': '[0, 1]' },
    });
  return { encoder: file('encoder'), decoder: file('decoder'), discriminator: file('discriminator') };
}

/**
 * Reads the three files of `writeVaeGan`.
 *
 * @throws ModelError when bytes are no ONNX model, or not the parts of one VAE-GAN
 */
export function readVaeGan(files: Readonly<Record<Part, Uint8Array>>): VaeGan {
  const read = (part: Part): Graph => {
    const graph = parseModel(files[part]);
    if (graph.metadata[PART] === part) return graph;
    throw new ModelError(`the file of the ${part} is not the ${part} of a VAE-GAN that Tempered has written`);
  };
  const graphs = { encoder: read('encoder'), decoder: read('decoder'), discriminator: read('discriminator') };
  const size = (shape: readonly Dimension[] | undefined) => (shape ?? []).slice(1).map(Number);
  const imageShape = size(graphs.encoder.inputs[0]?.shape);
  const codeSize = size(graphs.encoder.outputs[0]?.shape)[0] ?? 0;
  const images = [graphs.decoder.outputs[0], graphs.discriminator.inputs[0]];
  const fits = images.every((value) => size(value?.shape).join() === imageShape.join());
  if (!fits || size(graphs.decoder.inputs[0]?.shape).join() !== `${codeSize}`)
    throw new ModelError('encoder, decoder and discriminator belong to VAE-GANs of different images or codes');
  return { imageShape, codeSize, graphs };
}
