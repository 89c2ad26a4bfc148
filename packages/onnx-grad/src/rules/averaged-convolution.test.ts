import { expect, it, test } from 'vitest';
import { GraphBuilder } from '../builder.ts';
import { decompose } from '../decompose.ts';
import { gradient } from '../gradient.ts';
import type { Graph } from '../graph.ts';
import { expectClose, inputArray, runInOnnxRuntime } from '../testing/onnxruntime.ts';

interface Case {
  what: string;
  image: number[];
  weight: number[];
  attributes?: Record<string, number | number[]>;
  /** Whether products take the place of the convolution. */
  replaced?: boolean;
  mean?: (g: GraphBuilder) => (y: ReturnType<GraphBuilder['input']>) => ReturnType<GraphBuilder['input']>;
}

const cases: Case[] = [
  {
    what: '7 × 7 window, same size',
    image: [5, 3, 7, 7],
    weight: [4, 3, 7, 7],
    attributes: { pads: [3, 3, 3, 3] },
  },
  { what: 'without padding', image: [2, 3, 6, 5], weight: [4, 3, 3, 2] },
  { what: 'stride 2', image: [2, 3, 9, 8], weight: [4, 3, 3, 3], attributes: { strides: [2, 3], pads: [1, 0, 2, 1] } },
  {
    what: 'dilation',
    image: [2, 3, 9, 9],
    weight: [4, 3, 3, 3],
    attributes: { dilations: [2, 3], pads: [2, 0, 1, 3] },
  },
  { what: '1 × 1', image: [2, 3, 5, 5], weight: [4, 3, 1, 1] },
  { what: 'a line', image: [2, 3, 11], weight: [4, 3, 3], attributes: { pads: [1, 1] } },
  { what: 'three axes', image: [2, 2, 4, 3, 3], weight: [3, 2, 2, 3, 2], attributes: { pads: [1, 1, 0, 0, 1, 1] } },
  { what: 'groups', image: [2, 4, 5, 5], weight: [4, 2, 3, 3], attributes: { group: 2 }, replaced: false },
  { what: 'one position', image: [2, 3, 3, 3], weight: [4, 3, 3, 3], replaced: false },
  {
    what: 'ReduceMean over the positions',
    image: [2, 3, 6, 5],
    weight: [4, 3, 3, 2],
    mean: (g) => (y) => g.reduceMean(y, [3, 2]),
  },
  {
    what: 'the mean over channels, as many as positions',
    image: [2, 3, 4, 4],
    weight: [16, 3, 3, 3],
    attributes: { pads: [1, 1, 1, 1] },
    mean: (g) => (y) => g.reduceMean(y, [1], true),
    replaced: false,
  },
  {
    what: 'the mean over channels, as many as a line is long',
    image: [2, 3, 5],
    weight: [5, 3, 3],
    attributes: { pads: [1, 1] },
    mean: (g) => (y) => g.reduceMean(y, [1]),
    replaced: false,
  },
  {
    what: 'ReduceMean over one axis',
    image: [2, 3, 6, 5],
    weight: [4, 3, 3, 2],
    mean: (g) => (y) => g.reduceMean(y, [2], true),
    replaced: false,
  },
];

/** The mean of a convolution, and the gradients of a weighted sum of its squares. */
function meanOfConvolution({ image, weight, attributes = {}, mean }: Case, hidden: boolean): Graph {
  const g = new GraphBuilder();
  const [x, w, b] = [
    g.input('x', 'float32', image),
    g.input('w', 'float32', weight),
    g.input('b', 'float32', [weight[0]!]),
  ];
  const y = g.op('Conv', [x, w, b], attributes);
  // A factor that is fed hides the mean from the convolution, and its gradient too.
  const seen = hidden ? g.mul(y, g.input('ones', 'float32', y.shape)) : y;
  const average = mean ? mean(g)(seen) : g.op('GlobalAveragePool', [seen]);
  const flat = g.reshape(average, [average.shape.reduce((a, n) => a * n, 1)]);
  const loss = g.reduceSum(g.square(flat), [0]);
  g.output(average, 'mean');
  gradient(g, { of: loss, wrt: [x, w, b] }).forEach((value, i) => {
    g.output(value, `gradient_${i}`);
  });
  return g.graph;
}

const convolutions = (graph: Graph) => graph.nodes.filter(({ op }) => op.startsWith('Conv')).length;

test.each(cases)('$what', async (example) => {
  const plain = meanOfConvolution(example, true);
  const graph = decompose(meanOfConvolution(example, false));
  if (example.replaced ?? true) expect(convolutions(graph)).toBe(0);
  else expect(convolutions(graph)).toBeGreaterThan(0);
  const shapes = Object.fromEntries(plain.inputs.map(({ name, shape }) => [name, shape as number[]]));
  const feeds = Object.fromEntries(
    ['x', 'w', 'b'].map((name, i) => [name, inputArray({ shape: shapes[name]! }, i + 1)]),
  );
  const ones = {
    dtype: 'float32' as const,
    shape: shapes.ones!,
    data: new Float64Array(shapes.ones!.reduce((a, n) => a * n, 1)).fill(1),
  };
  const expected = await runInOnnxRuntime(plain, { ...feeds, ones });
  const actual = await runInOnnxRuntime(graph, feeds);
  for (const [name, array] of Object.entries(expected)) expectClose(actual[name]!, array, name);
});

it('keeps a convolution that something else reads', () => {
  const g = new GraphBuilder();
  const y = g.op('Conv', [g.input('x', 'float32', [1, 2, 5, 5]), g.constant(0.1, [3, 2, 3, 3])]);
  g.output(g.op('GlobalAveragePool', [y]), 'mean');
  g.output(g.op('Relu', [y]), 'map');
  expect(decompose(g.graph).nodes.map(({ op }) => op)).toEqual(g.graph.nodes.map(({ op }) => op));
});
