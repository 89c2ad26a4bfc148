import type { Value } from 'onnx-grad';
import { glorotUniform as initial } from '../initializers.ts';
import { conv, dense, flatten, maxPool, type Network, relu, toSignedRange } from '../layers.ts';

/**
 * MNIST_CNN of Kim, Seo & Jeon 2019, for MNIST and Fashion-MNIST: two 5×5 convolutions and only then one 2×2
 * max-pooling, a hidden layer of 1024 and the logits. Pixels are seen in [−1, 1]; Glorot-uniform weights.
 */
export function mnistCnnOnePool(net: Network, x: Value, classes: number): Value {
  let h = toSignedRange(net, x);
  h = relu(net, conv(net, h, { name: 'conv1', channels: 32, kernel: 5, initial }), 'relu1');
  h = relu(net, conv(net, h, { name: 'conv2', channels: 64, kernel: 5, initial }), 'relu2');
  h = flatten(net, maxPool(net, h, 'pool'), 'features');
  h = relu(net, dense(net, h, { name: 'hidden', units: 1024, initial }), 'representation');
  return dense(net, h, { name: 'logits', units: classes, initial });
}
