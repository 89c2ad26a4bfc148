/** @file A small network with usable gradients, fitted in closed form, and images for it: no training, no files. */
import type { Dataset } from '../../../data/dataset.ts';
import { fromArrays } from '../../../data/dataset.ts';
import type { ModelDescription } from '../../../models/classifier.ts';
import { modelOf } from '../../../models/testing/small-models.ts';
import { createRandom } from '../../../random.ts';

const SIDE = 12;
const PIXELS = SIDE * SIDE;
const CLASSES = 5;
const HIDDEN = 64;

/** Images of five classes: a soft blob in a place of the class, moved a little, and noise. */
export function blobs(count: number, seed = 0): Dataset {
  const pixels = new Float32Array(count * PIXELS);
  const labels = Array.from({ length: count }, (_, i) => i % CLASSES);
  for (const [i, label] of labels.entries()) {
    const random = createRandom(seed, 'blob', i);
    const angle = (2 * Math.PI * label) / CLASSES;
    const [row, column] = [
      5.5 + 3 * Math.sin(angle) + random.normal() * 0.6,
      5.5 + 3 * Math.cos(angle) + random.normal() * 0.6,
    ];
    for (let p = 0; p < PIXELS; p++) {
      const distance = (Math.floor(p / SIDE) - row) ** 2 + ((p % SIDE) - column) ** 2;
      const value = 0.3 + 0.35 * Math.exp(-distance / 8) + 0.05 * random.normal();
      pixels[i * PIXELS + p] = Math.min(1, Math.max(0, value));
    }
  }
  const classes = Array.from({ length: CLASSES }, (_, k) => `class ${k}`);
  return fromArrays({ name: 'blobs', split: 'test', classes, imageShape: [1, SIDE, SIDE], pixels, labels });
}

/** Random ReLU features of the blobs and a ridge regression onto ±1 (an extreme learning machine; Huang et al. 2006). */
export function fittedModel(): ModelDescription {
  const random = createRandom(5, 'features');
  const inner = new Float32Array(HIDDEN * PIXELS);
  random.fillNormal(inner, 0, 2 / SIDE);
  const bias = new Float32Array(HIDDEN);
  for (let h = 0; h < HIDDEN; h++)
    bias[h] =
      -0.4 * inner.subarray(h * PIXELS, (h + 1) * PIXELS).reduce((sum, w) => sum + w, 0) + 0.2 * random.normal();
  const outer = ridge(...features(blobs(400, 1), inner, bias));
  return modelOf([1, SIDE, SIDE], CLASSES, (g, x) => {
    const parameter = (name: string, shape: readonly number[], data: Float32Array) =>
      g.parameter(name, { dtype: 'float32', shape, data });
    const flat = g.op('Flatten', [x], { axis: 1 });
    const before = g.op(
      'Gemm',
      [flat, parameter('inner', [HIDDEN, PIXELS], inner), parameter('bias', [HIDDEN], bias)],
      { transB: 1 },
    );
    const hidden = g.rename(g.relu(before), 'hidden');
    return g.rename(g.op('Gemm', [hidden, parameter('outer', [CLASSES, HIDDEN], outer)], { transB: 1 }), 'logits');
  });
}

function features(dataset: Dataset, inner: Float32Array, bias: Float32Array): [number[][], number[][]] {
  const { images, labels } = dataset.batch(Array.from({ length: dataset.count }, (_, i) => i));
  const hidden = Array.from(labels, (_, i) =>
    Array.from(bias, (b, h) => {
      let sum = b;
      for (let p = 0; p < PIXELS; p++) sum += inner[h * PIXELS + p]! * images.data[i * PIXELS + p]!;
      return Math.max(0, sum);
    }),
  );
  const targets = Array.from(labels, (label) => Array.from({ length: CLASSES }, (_, k) => (k === label ? 1 : -1)));
  return [hidden, targets];
}

/** Weights [CLASSES, HIDDEN] that minimise Σ|W h − t|² + λ|W|², by elimination of the normal equations. */
function ridge(hidden: readonly number[][], targets: readonly number[][], lambda = 1): Float32Array {
  const rows = Array.from({ length: HIDDEN }, (_, a) => [
    ...Array.from({ length: HIDDEN }, (_, b) => hidden.reduce((sum, h) => sum + h[a]! * h[b]!, a === b ? lambda : 0)),
    ...Array.from({ length: CLASSES }, (_, k) => hidden.reduce((sum, h, i) => sum + h[a]! * targets[i]![k]!, 0)),
  ]);
  for (let pivot = 0; pivot < HIDDEN; pivot++) {
    for (const row of rows) {
      if (row === rows[pivot]) continue;
      const factor = row[pivot]! / rows[pivot]![pivot]!;
      for (let j = pivot; j < row.length; j++) row[j]! -= factor * rows[pivot]![j]!;
    }
  }
  const weights = new Float32Array(CLASSES * HIDDEN);
  for (let k = 0; k < CLASSES; k++)
    for (let h = 0; h < HIDDEN; h++) weights[k * HIDDEN + h] = rows[h]![HIDDEN + k]! / rows[h]![h]!;
  return weights;
}
