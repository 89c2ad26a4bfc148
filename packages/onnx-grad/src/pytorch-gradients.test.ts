/** Thirteen architectures: logits, input gradients, parameter gradients and second order against PyTorch in float64. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { differentiate } from './differentiate.ts';
import type { NumericArray } from './evaluate/array.ts';
import { gradient } from './gradient.ts';
import type { Graph } from './graph.ts';
import { parseModel } from './parse.ts';
import { specialize } from './specialize.ts';
import { readNpy, relativeError } from './testing/npy.ts';
import type { Value } from './value.ts';
import { writeModel } from './write.ts';

const fixtures = '../shared/fixtures/pytorch-gradients';
const TOLERANCE = 1e-4;

async function run(graph: Graph, feeds: Record<string, NumericArray>): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(writeModel(graph), { logSeverityLevel: 3 });
  try {
    const tensors = Object.entries(feeds).map(
      ([name, { shape, data }]) => [name, new RuntimeTensor('float32', Float32Array.from(data), shape)] as const,
    );
    const results = await session.run(Object.fromEntries(tensors));
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
  } finally {
    await session.release();
  }
}

function oneHot(targets: readonly number[], classes: number): NumericArray {
  const data = new Float64Array(targets.length * classes);
  targets.forEach((target, i) => {
    data[i * classes + target] = 1;
  });
  return { dtype: 'float32', shape: [targets.length, classes], data };
}

/** Σₙ cross-entropy of the logits with the targets. */
function crossEntropy(g: GraphBuilder, logits: Value, targets: NumericArray): Value {
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
  const picked = g.mul(logProbabilities, g.constant([...targets.data], targets.shape, logits));
  return g.neg(g.reduceSum(picked, [0, 1]));
}

const names = existsSync(fixtures) ? readdirSync(fixtures) : [];

describe.skipIf(names.length === 0)(`${fixtures} (skipped where it is absent)`, () => {
  for (const name of names) {
    test(name, async () => {
      const folder = `${fixtures}/${name}`;
      const { targets } = JSON.parse(readFileSync(`${folder}/meta.json`, 'utf8')) as { targets: number[] };
      const model = parseModel(readFileSync(`${folder}/model.onnx`));
      const image = readNpy(`${folder}/input.npy`);
      const expected = { logits: readNpy(`${folder}/logits.npy`) };
      const labels = oneHot(targets, expected.logits.shape[1]!);
      const input = model.inputs[0]!.name;
      const output = model.outputs[0]!.name;
      const parameters = readdirSync(`${folder}/params`).map((file) => file.slice(0, -'.npy'.length));
      const errors: Record<string, number> = {};
      const compare = (what: string, actual: ArrayLike<number>, file: string) => {
        errors[what] = relativeError(actual, readNpy(`${folder}/${file}`).data);
      };

      const graph = specialize(model, { [input]: image.shape }, { parameters });
      const byLogit = await run(differentiate(graph), { [input]: image, [`${output}_cotangent`]: labels });
      compare('logits', byLogit[output]!, 'logits.npy');
      compare('grad_logit', byLogit[`${input}_grad`]!, 'grad_logit.npy');

      const g = new GraphBuilder(graph, parameters);
      const variables = [input, ...parameters].map((variable) => g.value(variable));
      const first = gradient(g, { of: crossEntropy(g, g.value(output), labels), wrt: variables });
      const files = ['grad_ce.npy', ...parameters.map((parameter) => `params/${parameter}.npy`)];
      first.forEach((value, i) => {
        g.output(value, `first:${files[i]}`);
      });
      const hasSecond = existsSync(`${folder}/params2`);
      const secondFiles = hasSecond
        ? ['grad_of_squared_grad_norm.npy', ...parameters.map((parameter) => `params2/${parameter}.npy`)]
        : [];
      if (hasSecond) {
        const norm = g.reduceSum(g.square(first[0]!), [0, 1, 2, 3]);
        gradient(g, { of: norm, wrt: variables }).forEach((value, i) => {
          g.output(value, `second:${secondFiles[i]}`);
        });
      }
      const results = await run(graph, { [input]: image });
      for (const file of files) compare(file, results[`first:${file}`]!, file);
      for (const file of secondFiles) compare(file, results[`second:${file}`]!, file);

      if (process.env.VERBOSE) {
        const [worst, error] = Object.entries(errors).reduce((a, b) => (a[1] > b[1] ? a : b));
        const figures = ['logits', 'grad_logit', 'grad_ce.npy'].map(
          (what) => `${what} ${errors[what]!.toExponential(1)}`,
        );
        console.log(
          `${name}: ${figures.join(', ')}; worst of ${files.length + secondFiles.length + 2}: ${error.toExponential(1)} (${worst})`,
        );
      }
      // Not `error > TOLERANCE`: NaN must not pass.
      expect(Object.entries(errors).filter(([, error]) => !(error <= TOLERANCE))).toEqual([]);
    });
  }
});
