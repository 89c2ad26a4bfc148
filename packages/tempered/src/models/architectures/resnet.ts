/** @file ResNets in the form of ImageNet: He et al. 2016, table 1, with the stride in the 3×3 convolution of a bottleneck. */
import type { Value } from 'onnx-grad';
import { batchNorm, conv, dense, globalAveragePool, type Network, relu } from '../layers.ts';

/** 18 layers: basic blocks [2, 2, 2, 2], representation of 512. */
export function resnet18(net: Network, x: Value, classes: number): Value {
  return resnet(net, x, classes, [2, 2, 2, 2], basicBlock);
}

/** 50 layers: bottleneck blocks [3, 4, 6, 3], representation of 2048. */
export function resnet50(net: Network, x: Value, classes: number): Value {
  return resnet(net, x, classes, [3, 4, 6, 3], bottleneck);
}

interface BlockOptions {
  name: string;
  /** Of the 3×3 convolutions. */
  channels: number;
  stride: number;
}

type Block = (net: Network, x: Value, options: BlockOptions) => Value;

/** Names are those of the usual PyTorch models: layer1.0.conv1, layer1.0.bn1 ... */
function resnet(net: Network, x: Value, classes: number, blocks: readonly number[], block: Block): Value {
  let h = conv(net, x, { name: 'conv1', channels: 64, kernel: 7, stride: 2, bias: false });
  h = relu(net, batchNorm(net, h, 'bn1'), 'relu1');
  const pool = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  h = net.g.rename(net.g.op('MaxPool', [h], pool), 'maxpool');
  blocks.forEach((count, stage) => {
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      h = block(net, h, { name: `layer${stage + 1}.${i}`, channels: 64 * 2 ** stage, stride });
    }
  });
  h = globalAveragePool(net, h, 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5 });
}

/** Two 3×3 convolutions beside a shortcut. */
export function basicBlock(net: Network, x: Value, { name, channels, stride }: BlockOptions): Value {
  let h = conv(net, x, { name: `${name}.conv1`, channels, kernel: 3, stride, bias: false });
  h = relu(net, batchNorm(net, h, `${name}.bn1`), `${name}.relu1`);
  h = conv(net, h, { name: `${name}.conv2`, channels, kernel: 3, bias: false });
  h = batchNorm(net, h, `${name}.bn2`);
  return relu(net, net.g.add(h, projection(net, x, name, channels, stride)), name);
}

/** 1×1, 3×3 and 1×1 convolutions beside a shortcut; four times as many channels come out. */
function bottleneck(net: Network, x: Value, { name, channels, stride }: BlockOptions): Value {
  let h = conv(net, x, { name: `${name}.conv1`, channels, kernel: 1, bias: false });
  h = relu(net, batchNorm(net, h, `${name}.bn1`), `${name}.relu1`);
  h = conv(net, h, { name: `${name}.conv2`, channels, kernel: 3, stride, bias: false });
  h = relu(net, batchNorm(net, h, `${name}.bn2`), `${name}.relu2`);
  h = conv(net, h, { name: `${name}.conv3`, channels: 4 * channels, kernel: 1, bias: false });
  h = batchNorm(net, h, `${name}.bn3`);
  return relu(net, net.g.add(h, projection(net, x, name, 4 * channels, stride)), name);
}

/** The shortcut: x itself, or a 1×1 convolution of it where the shape changes. */
function projection(net: Network, x: Value, name: string, channels: number, stride: number): Value {
  if (stride === 1 && x.shape[1] === channels) return x;
  const h = conv(net, x, { name: `${name}.downsample.0`, channels, kernel: 1, stride, bias: false });
  return batchNorm(net, h, `${name}.downsample.1`);
}
