import type { Value } from 'onnx-grad';
import { type Initializer, truncatedNormal } from '../initializers.ts';
import { conv, dense, flatten, maxPool, type Network, relu } from '../layers.ts';

/**
 * The network of the MNIST adversarial challenge (Madry et al. 2018; also of the class-manipulation study): two 5×5
 * convolutions with 2×2 max-pooling, a hidden layer of 1024 and the logits. He-normal weights and zero biases, which
 * start nearer to chance than the published initialisation: `mnistTutorialCnn` has that.
 */
export function mnistCnn(net: Network, x: Value, classes: number): Value {
  return tutorialLayers(net, x, classes, {});
}

/** `mnistCnn` as the TensorFlow tutorial and both publications initialise it: truncated normal weights of deviation 0.1, biases of 0.1. */
export function mnistTutorialCnn(net: Network, x: Value, classes: number): Value {
  return tutorialLayers(net, x, classes, { initial: truncatedNormal(0.1), initialBias: 0.1 });
}

function tutorialLayers(
  net: Network,
  x: Value,
  classes: number,
  start: { initial?: Initializer; initialBias?: number },
): Value {
  let h = relu(net, conv(net, x, { name: 'conv1', channels: 32, kernel: 5, ...start }), 'relu1');
  h = maxPool(net, h, 'pool1');
  h = relu(net, conv(net, h, { name: 'conv2', channels: 64, kernel: 5, ...start }), 'relu2');
  h = maxPool(net, h, 'pool2');
  h = flatten(net, h, 'features');
  h = relu(net, dense(net, h, { name: 'hidden', units: 1024, ...start }), 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5, ...start });
}
