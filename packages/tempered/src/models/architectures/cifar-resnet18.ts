import type { Value } from 'onnx-grad';
import { batchNorm, conv, dense, globalAveragePool, type Network, relu } from '../layers.ts';

/**
 * ResNet-18 for 32×32 images: a 3×3 stem without pooling, four stages of two basic blocks with 64, 128, 256 and 512
 * channels, 1×1 projection shortcuts with batch normalisation, global average pooling and the logits. He et al. 2016.
 */
export function cifarResnet18(net: Network, x: Value, classes: number): Value {
  let h = conv(net, x, { name: 'conv1', channels: 64, kernel: 3, bias: false });
  h = relu(net, batchNorm(net, h, 'bn1'), 'relu1');
  [64, 128, 256, 512].forEach((channels, stage) => {
    for (let block = 0; block < 2; block++) {
      h = basicBlock(net, h, `layer${stage + 1}.${block}`, channels, stage > 0 && block === 0 ? 2 : 1);
    }
  });
  h = globalAveragePool(net, h, 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5 });
}

function basicBlock(net: Network, x: Value, name: string, channels: number, stride: number): Value {
  let h = conv(net, x, { name: `${name}.conv1`, channels, kernel: 3, stride, bias: false });
  h = relu(net, batchNorm(net, h, `${name}.bn1`), `${name}.relu1`);
  h = conv(net, h, { name: `${name}.conv2`, channels, kernel: 3, bias: false });
  h = batchNorm(net, h, `${name}.bn2`);
  let shortcut = x;
  if (stride !== 1 || x.shape[1] !== channels) {
    shortcut = conv(net, x, { name: `${name}.downsample.0`, channels, kernel: 1, stride, bias: false });
    shortcut = batchNorm(net, shortcut, `${name}.downsample.1`);
  }
  return relu(net, net.g.add(h, shortcut), name);
}
