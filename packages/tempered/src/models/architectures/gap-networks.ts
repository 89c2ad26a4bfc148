/**
 * @file The networks of Boopathy et al. 2020, made for class activation maps: convolutions only, global average pooling
 * and a linear layer without bias. The activation stands before every convolution but the first, so that the last
 * feature map, the input of the pooling, is not rectified. Normal weights of variance 1 / fan-in.
 */
import type { Value } from 'onnx-grad';
import { UsageError } from '../../errors.ts';
import { fanInNormal as initial } from '../initializers.ts';
import { averagePool, conv, dense, globalAveragePool, maxPool, type Network, relu } from '../layers.ts';

/** Small: 4×4 convolutions of stride 2 to 16 and 32 channels, and a 7×7 one to 100. */
export function gapSmall(net: Network, x: Value, classes: number): Value {
  let h = conv(net, x, { name: 'conv1', channels: 16, kernel: 4, stride: 2, pad: 'same', initial });
  h = relu(net, h, 'relu1');
  h = relu(net, conv(net, h, { name: 'conv2', channels: 32, kernel: 4, stride: 2, pad: 'same', initial }), 'relu2');
  h = conv(net, h, { name: 'conv3', channels: 100, kernel: 7, pad: 'same', initial });
  return linearOfMeans(net, h, classes);
}

/** Pool: 5×5 convolutions to 32 and 64 channels, each with 2×2 max-pooling after it. */
export function gapPool(net: Network, x: Value, classes: number): Value {
  let h = maxPool(net, conv(net, x, { name: 'conv1', channels: 32, kernel: 5, pad: 'same', initial }), 'pool1');
  h = relu(net, h, 'relu1');
  h = maxPool(net, conv(net, h, { name: 'conv2', channels: 64, kernel: 5, pad: 'same', initial }), 'pool2');
  return linearOfMeans(net, h, classes);
}

/**
 * WResnet: a 3×3 convolution to 16 channels and 15 residual pairs of 3×3 convolutions, five each with 16, 32 and 64
 * channels, the second and third five starting with stride 2. Without projections: where shapes differ, the shortcut is
 * the average pool, with channels of zeros on both sides.
 *
 * @throws UsageError for images whose sides do not divide by 4: their halves would not be the size of the average pool
 */
export function gapWresnet(net: Network, x: Value, classes: number): Value {
  const sides = x.shape.slice(2);
  if (sides.some((side) => side % 4 !== 0))
    throw new UsageError(`gap-wresnet takes images whose height and width divide by 4, not ${sides.join('x')}`);
  let h = conv(net, x, { name: 'conv0', channels: 16, kernel: 3, pad: 'same', initial });
  for (let pair = 1; pair <= 15; pair++) {
    const channels = 16 * 2 ** Math.floor((pair - 1) / 5);
    const stride = pair === 6 || pair === 11 ? 2 : 1;
    const shape = { channels, kernel: 3, pad: 'same', initial } as const;
    const name = `pair${pair}`;
    let y = relu(net, h, `${name}.relu1`);
    y = relu(net, conv(net, y, { ...shape, name: `${name}.conv1`, stride }), `${name}.relu2`);
    y = conv(net, y, { ...shape, name: `${name}.conv2` });
    h = net.g.rename(net.g.add(y, shortcut(net, h, y.shape, `${name}.shortcut`)), name);
  }
  return linearOfMeans(net, h, classes);
}

function shortcut(net: Network, x: Value, shape: readonly number[], name: string): Value {
  const factor = Math.floor(x.shape[2]! / shape[2]!);
  const pooled = factor === 1 ? x : averagePool(net, x, name, factor);
  const missing = shape[1]! - x.shape[1]!;
  const before = Math.floor(missing / 2);
  return net.g.pad(pooled, [0, before, 0, 0], [0, missing - before, 0, 0]);
}

function linearOfMeans(net: Network, x: Value, classes: number): Value {
  const h = globalAveragePool(net, x, 'representation');
  return dense(net, h, { name: 'logits', units: classes, bias: false, initial });
}
