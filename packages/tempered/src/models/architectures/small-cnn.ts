import type { Value } from 'onnx-grad';
import { conv, dense, flatten, type Network, relu } from '../layers.ts';

/**
 * A small network for images of about 32×32, sized so that adversarial training takes minutes on a CPU: four
 * convolutions (two of stride 2), a hidden layer and the logits. 2.3 million multiplications an image at 3×32×32.
 */
export function smallCnn(net: Network, x: Value, classes: number): Value {
  let h = relu(net, conv(net, x, { name: 'conv1', channels: 16, kernel: 4, stride: 2, pad: 1 }), 'relu1');
  h = relu(net, conv(net, h, { name: 'conv2', channels: 32, kernel: 4, stride: 2, pad: 1 }), 'relu2');
  h = relu(net, conv(net, h, { name: 'conv3', channels: 64, kernel: 3 }), 'relu3');
  h = flatten(net, h, 'features');
  h = relu(net, dense(net, h, { name: 'hidden', units: 100 }), 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5 });
}
