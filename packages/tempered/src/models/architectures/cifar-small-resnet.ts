import type { Value } from 'onnx-grad';
import { averagePool, batchNorm, conv, dense, globalAveragePool, type Network, relu } from '../layers.ts';

/**
 * A small residual network for 32×32 images, sized so that adversarial training takes about an hour on two CPU cores: a
 * 3×3 convolution and three residual blocks with 32, 64 and 128 channels, with 2×2 average pooling between them, batch
 * normalisation and activation before each convolution (He et al. 2016, "Identity mappings"). 48 million
 * multiplications an image. Pooling stands where strides would: the gradient of a strided convolution takes twice the
 * time of one without.
 */
export function cifarSmallResnet(net: Network, x: Value, classes: number): Value {
  let h = conv(net, x, { name: 'conv1', channels: 32, kernel: 3, bias: false });
  h = block(net, h, 'block1', 32);
  h = block(net, averagePool(net, h, 'pool1'), 'block2', 64);
  h = block(net, averagePool(net, h, 'pool2'), 'block3', 128);
  h = relu(net, batchNorm(net, h, 'bn'), 'relu');
  h = globalAveragePool(net, h, 'representation');
  return dense(net, h, { name: 'logits', units: classes, gain: 0.5 });
}

function block(net: Network, x: Value, name: string, channels: number): Value {
  const active = relu(net, batchNorm(net, x, `${name}.bn1`), `${name}.relu1`);
  let h = conv(net, active, { name: `${name}.conv1`, channels, kernel: 3, bias: false });
  h = relu(net, batchNorm(net, h, `${name}.bn2`), `${name}.relu2`);
  h = conv(net, h, { name: `${name}.conv2`, channels, kernel: 3, bias: false });
  const shortcut =
    x.shape[1] === channels ? x : conv(net, active, { name: `${name}.shortcut`, channels, kernel: 1, bias: false });
  return net.g.rename(net.g.add(h, shortcut), name);
}
