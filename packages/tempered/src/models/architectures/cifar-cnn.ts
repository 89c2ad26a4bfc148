import type { Value } from 'onnx-grad';
import { glorotUniform as initial } from '../initializers.ts';
import { conv, dense, flatten, maxPool, type Network, relu, toSignedRange } from '../layers.ts';

/**
 * CIFAR_CNN of Kim, Seo & Jeon 2019: twice two 3×3 convolutions (32, then 64 channels) and a 2×2 max-pooling, a hidden
 * layer of 512 and the logits. Pixels are seen in [−1, 1]; Glorot-uniform weights.
 */
export function cifarCnn(net: Network, x: Value, classes: number): Value {
  let h = toSignedRange(net, x);
  for (const [stage, channels] of [32, 64].entries()) {
    for (const layer of [2 * stage + 1, 2 * stage + 2])
      h = relu(net, conv(net, h, { name: `conv${layer}`, channels, kernel: 3, initial }), `relu${layer}`);
    h = maxPool(net, h, `pool${stage + 1}`);
  }
  h = flatten(net, h, 'features');
  h = relu(net, dense(net, h, { name: 'hidden', units: 512, initial }), 'representation');
  return dense(net, h, { name: 'logits', units: classes, initial });
}
