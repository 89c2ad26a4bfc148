import type { Value } from 'onnx-grad';
import { glorotUniform as initial } from '../models/initializers.ts';
import { batchNorm, conv, deconv, dense, flatten, type Network } from '../models/layers.ts';
import type { Activation, Layer } from './layouts.ts';
import { spectrallyNormalized } from './spectral-norm.ts';

/** Writes a chain of layers applied to `x`; they are called layer1, layer2 ... in the order of the list. */
export function writeLayers(net: Network, x: Value, layers: readonly Layer[]): Value {
  return layers.reduce((h, layer, i) => writeLayer(net, h, layer, `layer${i + 1}`), x);
}

function writeLayer(net: Network, x: Value, layer: Layer, name: string): Value {
  if (layer.kind === 'reshape')
    return net.g.rename(net.g.op('Reshape', [x, net.g.integers([-1, ...layer.shape])]), name);
  const linear = writeLinear(net, x, layer, name);
  const active = layer.activation === undefined ? linear : activate(net, linear, layer.activation, name);
  return layer.batchNorm ? batchNorm(net, active, `${name}.bn`, { epsilon: 1e-3, momentum: 0.99 }) : active;
}

function writeLinear(net: Network, x: Value, layer: Exclude<Layer, { kind: 'reshape' }>, name: string): Value {
  switch (layer.kind) {
    case 'dense': {
      const flat = x.shape.length === 2 ? x : flatten(net, x, `${name}.features`);
      return dense(net, flat, { name, units: layer.units, initial });
    }
    case 'deconv':
      return deconv(net, x, { ...layer, name, initial });
    case 'conv':
      return conv(net, x, {
        ...layer,
        name,
        pad: 'same',
        initial,
        rescale: layer.spectralNorm
          ? (weight, apply) => spectrallyNormalized(net, name, weight, apply, x.shape.slice(1))
          : undefined,
      });
  }
}

function activate({ g }: Network, x: Value, activation: Activation, name: string): Value {
  const y = {
    relu: () => g.relu(x),
    'leaky-relu': () => g.op('LeakyRelu', [x], { alpha: 0.1 }),
    tanh: () => g.tanh(x),
    sigmoid: () => g.sigmoid(x),
  };
  return g.rename(y[activation](), `${name}.${activation}`);
}
