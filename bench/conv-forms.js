/**
 * @file Compares the forms that gradients of convolutions and pooling can take, on one thread of the CPU, in milliseconds
 * of processor time (so other programs hardly disturb it): `node bench/conv-forms.js [part of a name ...]` after a build.
 * The first column is what the rules emit; the results decided the rules.
 */
import { GraphBuilder, gradient, writeModel } from 'onnx-grad';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const ROUNDS = 5;

/** @param {readonly number[]} shape */
const randomData = (shape) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.random() * 2 - 1);

/**
 * @typedef {import('onnx-grad').Value} Value
 * @typedef {{ name: string, batch: number, channels: number, filters: number, size: number, kernel: number,
 *   stride: number, pad: number, group?: number }} Layer
 */

/** @type {Layer[]} */
const layers = [
  { name: 'CIFAR first 3>64 3x3', batch: 32, channels: 3, filters: 64, size: 32, kernel: 3, stride: 1, pad: 1 },
  { name: 'MNIST first 1>32 5x5', batch: 50, channels: 1, filters: 32, size: 28, kernel: 5, stride: 1, pad: 2 },
  { name: 'CIFAR 64>64 3x3', batch: 16, channels: 64, filters: 64, size: 32, kernel: 3, stride: 1, pad: 1 },
  { name: 'CIFAR 512>512 3x3', batch: 32, channels: 512, filters: 512, size: 4, kernel: 3, stride: 1, pad: 1 },
  { name: 'CIFAR 64>128 3x3 /2', batch: 32, channels: 64, filters: 128, size: 32, kernel: 3, stride: 2, pad: 1 },
  { name: 'CIFAR 64>128 1x1 /2', batch: 32, channels: 64, filters: 128, size: 32, kernel: 1, stride: 2, pad: 0 },
  { name: 'ImageNet first 3>64 7x7 /2', batch: 4, channels: 3, filters: 64, size: 224, kernel: 7, stride: 2, pad: 3 },
  { name: 'ImageNet 256>512 3x3 /2', batch: 8, channels: 256, filters: 512, size: 14, kernel: 3, stride: 2, pad: 1 },
  { name: '64>128 4x4 /2', batch: 32, channels: 64, filters: 128, size: 32, kernel: 4, stride: 2, pad: 1 },
  {
    name: 'depthwise 96 3x3 /2',
    batch: 2,
    channels: 96,
    filters: 96,
    size: 112,
    kernel: 3,
    stride: 2,
    pad: 1,
    group: 96,
  },
];

/** @param {Layer} layer */
function geometry({ batch, channels, filters, size, kernel, stride, pad, group = 1 }) {
  const output = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  return {
    x: [batch, channels, size, size],
    weight: [filters, channels / group, kernel, kernel],
    dy: [batch, filters, output, output],
    output,
    attributes: { strides: [stride, stride], pads: [pad, pad, pad, pad], kernel_shape: [kernel, kernel], group },
  };
}

/**
 * The forms of the input gradient.
 * @param {Layer} layer
 * @param {boolean} constant whether the weight is known when the graph is built
 * @returns {Record<string, (g: GraphBuilder) => Value>}
 */
function inputGradients(layer, constant) {
  const { x, weight, dy, output, attributes } = geometry(layer);
  const { size, kernel, stride, pad, group = 1 } = layer;
  const data = randomData(weight);
  /** @param {GraphBuilder} g */
  const inputs = (g) => ({
    w: constant ? g.tensor({ dtype: 'float32', shape: weight, data }) : g.input('w', 'float32', weight),
    cotangent: g.input('dy', 'float32', dy),
  });
  const rest = size + 2 * pad - kernel - (output - 1) * stride;
  return {
    rule: (g) => {
      const { w, cotangent } = inputs(g);
      const image = g.input('x', 'float32', x);
      return /** @type {Value} */ (
        gradient(g, { of: g.op('Conv', [image, w], attributes), wrt: [image], cotangent })[0]
      );
    },
    ConvTranspose: (g) => {
      const { w, cotangent } = inputs(g);
      return g.op('ConvTranspose', [cotangent, w], { ...attributes, output_padding: [rest, rest] });
    },
    'zeros, flipped Conv': (g) => {
      const { w, cotangent } = inputs(g);
      const [filters = 0, perGroup = 0] = weight;
      const grouped = g.reshape(w, [group, filters / group, perGroup, kernel, kernel]);
      const swapped = g.transpose(grouped, [0, 2, 1, 3, 4]);
      const flipped = g.reverse(g.reshape(swapped, [group * perGroup, filters / group, kernel, kernel]), [2, 3]);
      const [n = 0, channels = 0] = dy;
      const spread = g.reshape(cotangent, [n, channels, output, 1, output, 1]);
      const gaps = g.pad(spread, [0, 0, 0, 0, 0, 0], [0, 0, 0, stride - 1, 0, stride - 1]);
      const front = kernel - 1 - pad;
      const back = size + pad - output * stride;
      const apart = g.reshape(gaps, [n, channels, output * stride, output * stride]);
      const cropped = g.pad(apart, [0, 0, 0, 0], [0, 0, Math.min(0, back), Math.min(0, back)]);
      const after = Math.max(0, back);
      const pads = [front, front, after, after];
      return g.op('Conv', [cropped, flipped], { kernel_shape: [kernel, kernel], pads, group });
    },
  };
}

/**
 * The forms of the weight gradient.
 * @param {Layer} layer
 * @returns {Record<string, (g: GraphBuilder) => Value>}
 */
function weightGradients(layer) {
  const { x, weight, dy, output, attributes } = geometry(layer);
  const { batch, channels, filters, kernel, stride, pad, group = 1 } = layer;
  return {
    rule: (g) => {
      const [image, w] = [g.input('x', 'float32', x), g.input('w', 'float32', weight)];
      const of = g.op('Conv', [image, w], attributes);
      return /** @type {Value} */ (gradient(g, { of, wrt: [w], cotangent: g.input('dy', 'float32', dy) })[0]);
    },
    'columns, batched product': (g) => {
      const padded = g.pad(g.input('x', 'float32', x), [0, 0, pad, pad], [0, 0, pad, pad]);
      const positions = output * output;
      const reach = (output - 1) * stride + 1;
      const taps = Array.from({ length: kernel * kernel }, (_, tap) => {
        const starts = [Math.floor(tap / kernel), tap % kernel];
        const ends = starts.map((start) => start + reach);
        const read = g.slice(padded, { starts, ends, axes: [2, 3], steps: [stride, stride] });
        return g.reshape(read, [batch, group, channels / group, positions]);
      });
      const rows = g.reshape(g.input('dy', 'float32', dy), [batch, group, filters / group, positions]);
      return g.reduceSum(g.matmul(rows, g.matrixTranspose(g.concat(taps, 2))), [0]);
    },
  };
}

/**
 * @param {string} label
 * @param {Record<string, (g: GraphBuilder) => Value>} forms
 */
async function compare(label, forms) {
  const results = [];
  for (const [name, build] of Object.entries(forms)) {
    const g = new GraphBuilder();
    const result = build(g);
    // The gradient alone: the layer itself is not timed.
    g.graph.nodes = g.graph.nodes.filter((node) => !(node.op === 'Conv' && node.inputs.includes('x')));
    const used = new Set(g.graph.nodes.flatMap((node) => node.inputs));
    g.graph.inputs = g.graph.inputs.filter((input) => used.has(input.name));
    g.output(result, 'result');
    const session = await InferenceSession.create(writeModel(g.graph), { intraOpNumThreads: 1, logSeverityLevel: 3 });
    const feeds = Object.fromEntries(
      g.graph.inputs.map(({ name: input, shape }) => {
        const dimensions = /** @type {number[]} */ (shape);
        return [input, new Tensor('float32', randomData(dimensions), dimensions)];
      }),
    );
    const times = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const start = process.cpuUsage();
      await session.run(feeds);
      const { user, system } = process.cpuUsage(start);
      times.push((user + system) / 1000);
    }
    await session.release();
    results.push(`${name} ${Math.min(...times).toFixed(1)}`);
  }
  console.log(`${label.padEnd(46)} ${results.join('   ')}`);
}

const wanted = process.argv.slice(2);
for (const layer of layers) {
  if (wanted.length > 0 && !wanted.some((part) => layer.name.includes(part))) continue;
  await compare(`${layer.name}: dX, constant weight`, inputGradients(layer, true));
  await compare(`${layer.name}: dX, weight fed`, inputGradients(layer, false));
  await compare(`${layer.name}: dW`, weightGradients(layer));
}
