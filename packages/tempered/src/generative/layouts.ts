/** @file The networks of the VAE-GANs of Kim, Seo & Jeon 2019, layer by layer, as plain data. */

export type Activation = 'relu' | 'leaky-relu' | 'tanh' | 'sigmoid';

interface After {
  /** Default: none. */
  readonly activation?: Activation;
  /** After the activation, as in the source. Default: none. */
  readonly batchNorm?: true;
}

export type Layer =
  /** SAME padding. */
  | ({ readonly kind: 'conv'; channels: number; kernel: number; stride: number; spectralNorm?: true } & After)
  | ({ readonly kind: 'deconv'; channels: number; kernel: number; stride: number; pad: 'same' | 'valid' } & After)
  | ({ readonly kind: 'dense'; units: number } & After)
  | { readonly kind: 'reshape'; shape: readonly number[] };

export interface Layout {
  readonly imageShape: readonly [number, number, number];
  /** Numbers that stand for an image. */
  readonly codeSize: number;
  /** To the means of the code, then the logarithms of its variances. */
  readonly encoder: readonly Layer[];
  /** From the code to pixels in [−1, 1]. */
  readonly decoder: readonly Layer[];
  /** To the probability that an image is real. */
  readonly discriminator: readonly Layer[];
}

const normed: After = { activation: 'relu', batchNorm: true };
const conv = (channels: number, kernel: number, stride: number, after: After): Layer => ({
  kind: 'conv',
  channels,
  kernel,
  stride,
  ...after,
});
const deconv = (channels: number, stride: number, pad: 'same' | 'valid', after: After): Layer => ({
  kind: 'deconv',
  channels,
  kernel: 4,
  stride,
  pad,
  ...after,
});
const dense = (units: number, after: After = {}): Layer => ({ kind: 'dense', units, ...after });
const spectral = (channels: number, kernel: number, stride: number): Layer => ({
  kind: 'conv',
  channels,
  kernel,
  stride,
  spectralNorm: true,
  activation: 'leaky-relu',
});

const mnist: Layout = {
  imageShape: [1, 28, 28],
  codeSize: 10,
  encoder: [conv(64, 4, 2, normed), conv(128, 4, 2, normed), conv(256, 4, 2, normed), dense(20, { batchNorm: true })],
  decoder: [
    dense(1024, normed),
    { kind: 'reshape', shape: [256, 2, 2] },
    deconv(256, 2, 'same', normed),
    deconv(128, 1, 'valid', normed),
    deconv(32, 2, 'same', normed),
    deconv(1, 2, 'same', { activation: 'tanh' }),
  ],
  discriminator: [
    conv(32, 4, 2, { activation: 'relu' }),
    conv(128, 4, 2, normed),
    conv(256, 4, 2, normed),
    conv(256, 4, 2, normed),
    dense(512, normed),
    dense(1, { activation: 'sigmoid' }),
  ],
};

const cifar: Layout = {
  imageShape: [3, 32, 32],
  codeSize: 128,
  encoder: [conv(64, 5, 2, normed), conv(128, 5, 2, normed), conv(256, 5, 2, normed), dense(256, { batchNorm: true })],
  decoder: [
    dense(8192),
    { kind: 'reshape', shape: [512, 4, 4] },
    deconv(256, 2, 'same', normed),
    deconv(128, 2, 'same', normed),
    deconv(64, 2, 'same', normed),
    conv(3, 3, 1, { activation: 'tanh' }),
  ],
  discriminator: [
    spectral(64, 3, 1),
    spectral(64, 4, 2),
    spectral(128, 3, 1),
    spectral(128, 4, 2),
    spectral(256, 3, 1),
    spectral(256, 4, 2),
    spectral(512, 3, 1),
    dense(1, { activation: 'sigmoid' }),
  ],
};

/** `mnist` is for MNIST and Fashion-MNIST. */
export const layouts = { mnist, cifar } as const satisfies Record<string, Layout>;
