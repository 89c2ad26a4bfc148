import type { Value } from 'onnx-grad';
import { batchNorm, conv, dense, globalAveragePool, type Network, relu } from '../layers.ts';
import { basicBlock } from './resnet.ts';

/**
 * ResNet-18 for 32×32 images: a 3×3 stem without pooling, four stages of two basic blocks with 64, 128, 256 and 512
 * channels, 1×1 projection shortcuts with batch normalisation, global average pooling and the logits. He et al. 2016.
 */
export function cifarResnet18(net: Network, x: Value, classes: number): Value {
  let h = conv(net, x, { name: 'conv1', channels: 64, kernel: 3, bias: false });
  h = relu(net, batchNorm(net, h, 'bn1'), 'relu1');
  [64, 128, 256, 512].forEach((channels, stage) => {
    for (let i = 0; i < 2; i++) {
      h = basicBlock(net, h, { name: `layer${stage + 1}.${i}`, channels, stride: stage > 0 && i === 0 ? 2 : 1 });
    }
  });
  h = globalAveragePool(net, h, 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5 });
}
