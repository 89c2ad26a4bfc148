import type { Value } from 'onnx-grad';
import { glorotUniform } from '../initializers.ts';
import { dense, flatten, type Network, relu, toSignedRange } from '../layers.ts';

/**
 * The network of the boundary-tilting toy, for points of the plane: a hidden layer of 128 and the logits. A point
 * (a, b) is an image of shape [2, 1, 1] with its coordinates moved from [−1, 1] to [0, 1]. Kim, Seo & Jeon 2019.
 */
export function mixnormDnn(net: Network, x: Value, classes: number): Value {
  let h = flatten(net, toSignedRange(net, x), 'features');
  h = relu(net, dense(net, h, { name: 'hidden', units: 128, initial: glorotUniform }), 'representation');
  return dense(net, h, { name: 'logits', units: classes, initial: glorotUniform });
}
