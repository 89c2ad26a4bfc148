/** @file Model files: reading any ONNX classifier, and writing one with what its numbers mean in its metadata. */
import {
  type Dimension,
  type Graph,
  isFloat,
  ModelError,
  parseModel,
  ShapeError,
  specialize,
  type Tensor,
  UnsupportedOpError,
  type ValueInfo,
  writeModel,
} from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { sizeOf } from '../tensor.ts';
import type { ModelDescription } from './classifier.ts';

export interface ReadModelOptions {
  /** Default: the name stored in the graph. */
  name?: string;
  /** Default: the file's first float input that is not a parameter. */
  input?: string;
  /** Output to take as logits; where a Softmax or LogSoftmax makes it, what goes into that. Default: the first output. */
  output?: string;
  /** Shape of one input, without the batch axis: channels, height, width. Needed where the file leaves it open. */
  inputShape?: readonly number[];
  /** Per-channel mean and standard deviation of the preprocessing, in [0, 1] units; written into the graph, so that images, ε and attributions stay in pixel units. */
  mean?: readonly number[];
  std?: readonly number[];
  /** Class names. Default: the file's metadata, else "0", "1", ... */
  classes?: readonly string[];
  /** Content of an external data file, by the location that the model names. */
  externalData?: (location: string) => Uint8Array;
}

const METADATA = { classes: 'tempered.classes', inputRange: 'tempered.input_range' };

/**
 * Reads an ONNX classifier: one image input [N, C, H, W], one output [N, K]. A Softmax or LogSoftmax at the end of the
 * model is left out, so that the output holds logits.
 *
 * @throws ModelError when the bytes are no ONNX model; UsageError when the model is no image classifier, its output is made by a Sigmoid, or an option does not fit
 * @example
 * const model = readModel(bytes, { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
 */
export function readModel(bytes: Uint8Array, options: ReadModelOptions = {}): ModelDescription {
  const parsed = parseModel(bytes, { externalData: options.externalData });
  const input = findInput(parsed, options.input);
  const inputShape = findInputShape(input.shape, options.inputShape, input.name);
  const logits = findOutput(parsed, options.output);
  const { graph, leftOut } = withoutSoftmax(parsed, logits.name);
  const name = options.name ?? (graph.name || 'model');
  const preprocessed = withPreprocessing(openBatch(graph, input.name, inputShape), input.name, inputShape, options);
  const count = countClasses(preprocessed, input.name, inputShape, logits);
  const classes = options.classes ?? storedClasses(graph, count) ?? Array.from({ length: count }, (_, k) => String(k));
  if (classes.length !== count) {
    throw new UsageError(
      `${classes.length} class names were given, but output '${logits.name}' of '${name}' has ${count} classes`,
    );
  }
  return { name, graph: preprocessed, input: input.name, logits: logits.name, inputShape, classes, leftOut };
}

/** Serialises a model, with its class names and pixel range in the metadata. Any ONNX runtime can run the file. */
export function writeModelFile(model: ModelDescription): Uint8Array {
  return writeModel({
    ...model.graph,
    metadata: {
      ...model.graph.metadata,
      [METADATA.classes]: JSON.stringify(model.classes),
      [METADATA.inputRange]: '[0, 1]',
    },
  });
}

function findInput(graph: Graph, wanted: string | undefined) {
  const inputs = graph.inputs.filter((value) => !graph.initializers.has(value.name));
  const names = inputs.map((value) => `'${value.name}'`).join(', ') || 'none';
  const input =
    wanted === undefined ? inputs.find((value) => isFloat(value.dtype)) : inputs.find((value) => value.name === wanted);
  if (input === undefined)
    throw new UsageError(
      `the model has no input ${wanted === undefined ? 'for images' : `'${wanted}'`}; its inputs: ${names}`,
    );
  if (input.dtype !== 'float32')
    throw new UsageError(`input '${input.name}' of the model takes ${input.dtype}; only float32 images are supported`);
  return input;
}

function findInputShape(
  declared: readonly Dimension[] | undefined,
  given: readonly number[] | undefined,
  name: string,
): readonly number[] {
  const rank = declared === undefined ? given?.length : declared.length - 1;
  if (rank === undefined || rank < 1)
    throw new UsageError(`input '${name}' of the model needs a batch axis and at least one more`);
  if (given !== undefined && given.length !== rank) {
    throw new UsageError(
      `the input shape ${given.join('x')} does not fit input '${name}', declared as [${declared?.join(', ')}]`,
    );
  }
  const shape = Array.from({ length: rank }, (_, i) => {
    const size = declared?.[i + 1];
    if (typeof size === 'number' && given !== undefined && given[i] !== size) {
      throw new UsageError(
        `the input shape ${given.join('x')} does not fit input '${name}', declared as [${declared!.join(', ')}]`,
      );
    }
    return typeof size === 'number' ? size : given?.[i];
  });
  if (shape.some((size) => size === undefined)) {
    throw new UsageError(
      `input '${name}' leaves its size open: give it without the batch axis (--input-shape 3x224x224)`,
    );
  }
  return shape as number[];
}

function findOutput(graph: Graph, wanted: string | undefined) {
  const output = wanted === undefined ? graph.outputs[0] : graph.outputs.find((value) => value.name === wanted);
  if (output === undefined) {
    throw new UsageError(
      `the model has no output ${wanted === undefined ? '' : `'${wanted}'`}; its outputs: ${graph.outputs.map((v) => `'${v.name}'`).join(', ') || 'none'}`,
    );
  }
  return output;
}

/** What leaves scores as they are, between a softmax and the output. */
const PASSED_ON = new Set(['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout']);

/**
 * The graph with the logits at an output that a softmax (or its logarithm) makes: saturated probabilities have no
 * gradient left for attacks and attributions, and their softmax is no probability.
 */
function withoutSoftmax(graph: Graph, output: string): { graph: Graph; leftOut?: ModelDescription['leftOut'] } {
  let node = graph.nodes.find(({ outputs }) => outputs.includes(output));
  while (node !== undefined && PASSED_ON.has(node.op)) {
    const [from] = node.inputs;
    node = graph.nodes.find(({ outputs }) => outputs[0] === from);
  }
  if (node?.op === 'Sigmoid') {
    throw new UsageError(
      `output '${output}' is made by a Sigmoid: it holds a probability for each class by itself. Export the model with class scores (logits) as output, or name another output (--model-output)`,
    );
  }
  if (node?.op !== 'Softmax' && node?.op !== 'LogSoftmax') return { graph };
  const passing = { ...node, op: 'Identity', attributes: {} };
  const nodes = graph.nodes.map((other) => (other === node ? passing : other));
  return { graph: { ...graph, nodes }, leftOut: node.op };
}

/** Names from the metadata; ignored when they do not fit the output. */
function storedClasses(graph: Graph, count: number): readonly string[] | undefined {
  const text = graph.metadata[METADATA.classes];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.length === count && value.every((name) => typeof name === 'string')) return value;
  } catch {
    return undefined;
  }
  return undefined;
}

/** Entries of the output for one input; found by shape inference where the file does not declare them. */
function countClasses(graph: Graph, input: string, inputShape: readonly number[], logits: ValueInfo): number {
  const declared = logits.shape?.slice(1);
  const sizes = declared?.every((size) => typeof size === 'number')
    ? (declared as number[])
    : outputShape(graph, logits.name, { [input]: [1, ...inputShape] }).slice(1);
  const count = sizeOf(sizes);
  if (count < 1 || count > MAX_CLASSES) {
    throw new UsageError(`output '${logits.name}' holds ${count} numbers an image: these are no class scores`);
  }
  return count;
}

/** The largest sets of labels have some 20,000 classes. */
const MAX_CLASSES = 1_000_000;

function outputShape(graph: Graph, output: string, shapes: Record<string, readonly number[]>): readonly number[] {
  return specialize(graph, shapes).outputs.find((value) => value.name === output)!.shape as number[];
}

/**
 * Exporters often fix the batch to the size they traced the model with. Where nothing inside depends on it, it is
 * opened again, so that images run many at a time.
 */
function openBatch(graph: Graph, input: string, inputShape: readonly number[]): Graph {
  const traced = graph.inputs.find(({ name }) => name === input)?.shape?.[0];
  if (typeof traced !== 'number') return graph;
  const opened = (value: ValueInfo): ValueInfo =>
    value.shape?.[0] === traced ? { ...value, shape: [null, ...value.shape.slice(1)] } : value;
  const open = {
    ...graph,
    inputs: graph.inputs.map((value) => (value.name === input ? opened(value) : value)),
    outputs: graph.outputs.map(opened),
  };
  const batch = traced + 1;
  try {
    const shapes = { [input]: [batch, ...inputShape] };
    return graph.outputs.every(({ name }) => outputShape(open, name, shapes)[0] === batch) ? open : graph;
  } catch (error) {
    if (error instanceof ShapeError || error instanceof ModelError || error instanceof UnsupportedOpError) return graph;
    throw error;
  }
}

const PREPROCESSING = 'tempered.preprocessing';

/** The name of a constant of the preprocessing inside a graph. */
export const preprocessingName = (name: string): string => `${PREPROCESSING}.${name}`;

/** Whether an initializer is a constant of the preprocessing, such as `readModel` puts in front of a model. */
export const isPreprocessing = (initializer: string): boolean => initializer.startsWith(`${PREPROCESSING}.`);

/** A file written with its preprocessing may get more of it at the next reading. */
function unusedPrefix(graph: Graph): string {
  let prefix = `${PREPROCESSING}.1`;
  for (let n = 2; graph.initializers.has(`${prefix}.mean`); n++) prefix = `${PREPROCESSING}.${n}`;
  return prefix;
}

/** The graph with (x − mean) / std in front. */
function withPreprocessing(
  graph: Graph,
  input: string,
  [channels, ...rest]: readonly number[],
  { mean, std }: ReadModelOptions,
): Graph {
  if (mean === undefined && std === undefined) return graph;
  for (const [what, values] of [
    ['mean', mean],
    ['std', std],
  ] as const) {
    if (values !== undefined && values.length !== channels && values.length !== 1) {
      throw new UsageError(`${what} needs 1 or ${channels} numbers, one a channel, not ${values.length}`);
    }
  }
  if (std?.some((s) => !(s > 0))) throw new UsageError('std must be above 0 in every channel');
  const perChannel = (values: readonly number[]): Tensor => ({
    dtype: 'float32',
    shape: [1, values.length, ...rest.map(() => 1)],
    data: Float32Array.from(values),
  });
  const prefix = unusedPrefix(graph);
  const named = (name: string) => `${prefix}.${name}`;
  const normalized = named('normalized');
  return {
    ...graph,
    initializers: new Map([
      ...graph.initializers,
      [named('mean'), perChannel(mean ?? [0])],
      [named('std'), perChannel(std ?? [1])],
    ]),
    nodes: [
      {
        name: named('centre'),
        op: 'Sub',
        domain: '',
        inputs: [input, named('mean')],
        outputs: [named('centred')],
        attributes: {},
      },
      {
        name: named('scale'),
        op: 'Div',
        domain: '',
        inputs: [named('centred'), named('std')],
        outputs: [normalized],
        attributes: {},
      },
      ...graph.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map((name) => (name === input ? normalized : name)),
      })),
    ],
  };
}
