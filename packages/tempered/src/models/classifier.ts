/** @file An ONNX graph plus what its numbers mean, on a runtime that compiles programs around it. */
import {
  type DataType,
  decompose,
  emptyGraph,
  type Graph,
  GraphBuilder,
  ShapeError,
  specialize,
  type Value,
  writeModel,
} from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { createRandom } from '../random.ts';
import type { HostTensor, Program, ResidentTensor, RunOptions, RunResult, Runtime } from '../runtime/runtime.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { fixedBatch } from './batching.ts';
import { graphInProgram, inProgram, keysInProgram } from './namespace.ts';
import { drawNoise, type NoiseSource, separateNoise } from './noise.ts';
import { averaged, type GradientRepair, withStraightThrough } from './repair.ts';

/** What a model's numbers mean. */
export interface ModelDescription {
  readonly name: string;
  /**
   * Unspecialised graph: input [N, C, H, W] in [0, 1] (preprocessing is part of the graph), output logits [N, K].
   * Inputs of other ranks and ranges can be explained, but not attacked: attacks keep to [0, 1].
   */
  readonly graph: Graph;
  readonly input: string;
  readonly logits: string;
  /** Of one input, without the batch axis: channels, height, width. */
  readonly inputShape: readonly number[];
  readonly classes: readonly string[];
  /** What the file has at the end of the model, which was left out at reading so that the output holds logits. */
  readonly leftOut?: 'Softmax' | 'LogSoftmax';
  /** How gradients are taken, where not as the graph has them; see `repaired`. */
  readonly repair?: GradientRepair;
}

/** The model written into a program: its logits and every other value by its name in the ONNX file. */
export interface AppliedModel {
  readonly logits: Value;
  value(name: string): Value;
}

/** What a program builder gets: the graph under construction, and the model as a function that writes itself into it. */
export interface ProgramContext {
  readonly g: GraphBuilder;
  /** Images of one run. */
  readonly batch: number;
  /**
   * Writes the model applied to `x`, [batch, C, H, W]. A random model draws new noise for each application. `instead`
   * takes the place of values inside the model, by their names in the ONNX file: whatever reads one reads that.
   */
  model(x: Value, instead?: Readonly<Record<string, Value>>): AppliedModel;
}

export interface ClassifierProgram {
  readonly inputNames: readonly string[];
  run(feeds: Readonly<Record<string, HostTensor | ResidentTensor>>, options?: RunOptions): Promise<RunResult>;
}

/**
 * A model on a runtime. Programs (forward pass, attack step, attribution ...) are graphs written around the model,
 * compiled once per batch size and kept.
 *
 * @example
 * const classifier = new Classifier(description, runtime);
 * const { data } = await predictLogits(classifier, images);
 */
export class Classifier {
  readonly description: ModelDescription;
  readonly runtime: Runtime;
  /** Parameters that live with the engine and change between runs (a model in training), by initializer name. */
  readonly parameters: Readonly<Record<string, ResidentTensor>>;
  /** The least recently used first. */
  readonly #programs = new Map<string, CachedProgram>();
  /** Programs are mostly compiled several at a time for one batch size. */
  #specialized: { batch: number; graph: Graph; noise: readonly NoiseSource[] } | undefined;
  #noise = { seed: 0, runs: 0 };

  constructor(
    description: ModelDescription,
    runtime: Runtime,
    parameters: Readonly<Record<string, ResidentTensor>> = {},
  ) {
    this.description = description;
    this.runtime = runtime;
    this.parameters = parameters;
  }

  get classes(): readonly string[] {
    return this.description.classes;
  }

  get inputShape(): readonly number[] {
    return this.description.inputShape;
  }

  /**
   * The program that `build` writes for `batch` images, compiled at the first call. `key` names the program: equal keys
   * must mean equal programs. Only the programs used last are kept; one that was dropped is compiled anew when it runs.
   */
  async program(key: string, batch: number, build: (context: ProgramContext) => void): Promise<ClassifierProgram> {
    const use = <T>(work: (program: Program, noise: readonly NoiseSource[]) => Promise<T> | T) =>
      this.#use(`${batch} ${key}`, () => this.#compile(key, batch, build), work);
    const inputNames = await use((program) => program.inputNames);
    const own = Object.keys(this.parameters)
      .map((name) => [name, inProgram(name)] as const)
      .filter(([, input]) => inputNames.includes(input));
    return {
      inputNames,
      // Looked up at every run: training replaces the parameters after each step.
      run: (feeds, options) =>
        use((program, noise) =>
          program.run(
            {
              ...feeds,
              ...Object.fromEntries(own.map(([name, input]) => [input, this.parameters[name]!])),
              ...this.#draw(noise),
            },
            options,
          ),
        ),
    };
  }

  /** Whether the model draws noise in each run, so that equal images get different logits. */
  get isRandom(): boolean {
    return (this.#specialized ?? this.#specialize(fixedBatch(this.description) ?? 1)).noise.length > 0;
  }

  /** Starts the noise of a random model anew: from here on, the same runs in the same order draw the same noise. */
  seedNoise(seed: number): void {
    this.#noise = { seed, runs: 0 };
  }

  #draw(noise: readonly NoiseSource[]): Record<string, HostTensor> {
    if (noise.length === 0) return {};
    const run = this.#noise.runs++;
    return Object.fromEntries(
      noise.map((source) => [
        source.name,
        drawNoise(source, createRandom(this.#noise.seed, 'noise', run, source.name)),
      ]),
    );
  }

  /** Frees every compiled program; the classifier can still be used and compiles anew. */
  async release(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    await Promise.all(programs.map(free));
  }

  /** Hands the program of a key to `work` as the one used last, and keeps it while it works. */
  async #use<T>(
    key: string,
    compile: () => Compilation,
    work: (program: Program, noise: readonly NoiseSource[]) => Promise<T> | T,
  ): Promise<T> {
    let cached = this.#programs.get(key);
    if (cached === undefined) {
      cached = { ...compile(), users: 0 };
      cached.compiled.catch(() => this.#programs.delete(key));
    }
    this.#programs.delete(key);
    this.#programs.set(key, cached);
    cached.users += 1;
    try {
      await this.#dropOldest();
      return await work(await cached.compiled, cached.noise);
    } finally {
      cached.users -= 1;
    }
  }

  async #dropOldest(): Promise<void> {
    for (const [key, cached] of this.#programs) {
      if (this.#programs.size <= KEPT_PROGRAMS) return;
      if (cached.users > 0) continue;
      this.#programs.delete(key);
      await free(cached);
    }
  }

  #compile(key: string, batch: number, build: (context: ProgramContext) => void): Compilation {
    const { graph, noise } = this.#specialize(batch);
    const fed: NoiseSource[] = [];
    const g = new GraphBuilder(emptyGraph(this.description.name));
    const bindings: Record<string, Value> = {};
    for (const [name, tensor] of Object.entries(this.parameters)) {
      const input = inProgram(name);
      if (graph.initializers.has(input)) bindings[input] = g.input(input, tensor.dtype as DataType, tensor.shape);
    }
    const draw = (source: NoiseSource): Value => {
      const name = `noise/${fed.length}`;
      fed.push({ ...source, name });
      return g.input(name, 'float32', source.shape);
    };
    const apply = (x: Value, instead: Readonly<Record<string, Value>> = {}): AppliedModel => {
      const drawn = Object.fromEntries(noise.map((source) => [source.name, draw(source)]));
      const replaced = keysInProgram(instead);
      const values = g.append(withoutProducers(graph, Object.keys(replaced)), {
        ...bindings,
        ...drawn,
        ...replaced,
        [inProgram(this.description.input)]: x,
      });
      const output = lookUp(values, this.description.logits);
      return {
        logits: g.scale(
          output.shape.length === 2 ? output : g.reshape(output, [batch, this.classes.length]),
          this.description.repair?.scale ?? 1,
        ),
        value: (name) => lookUp(values, name),
      };
    };
    const average = this.description.repair?.average;
    const model: ProgramContext['model'] = (x, instead) =>
      average ? averaged(g, x, average, draw, (x) => apply(x, instead)) : apply(x, instead);
    build({ g, batch, model });
    const label = `${this.description.name}, ${key}`;
    return { compiled: this.runtime.compile(writeModel(decompose(g.graph)), { label }), noise: fed };
  }

  #specialize(batch: number): { graph: Graph; noise: readonly NoiseSource[] } {
    if (this.#specialized?.batch === batch) return this.#specialized;
    const { graph, input, inputShape, repair } = this.description;
    const specialized = specialize(
      graph,
      { [input]: [batch, ...inputShape] },
      { parameters: Object.keys(this.parameters) },
    );
    const separated = separateNoise(graphInProgram(withStraightThrough(specialized, repair)));
    this.#specialized = { batch, graph: separated.graph, noise: separated.sources };
    return this.#specialized;
  }
}

/** Enough for an attack and a few explanations of small and full batches; each holds the model's weights once more. */
const KEPT_PROGRAMS = 16;

interface Compilation {
  readonly compiled: Promise<Program>;
  /** Inputs that are drawn for each run. */
  readonly noise: readonly NoiseSource[];
}

interface CachedProgram extends Compilation {
  /** Runs under way. */
  users: number;
}

/** Releases a program once it is compiled; there is nothing to release where that failed. */
async function free({ compiled }: Compilation): Promise<void> {
  const [outcome] = await Promise.allSettled([compiled]);
  if (outcome.status === 'fulfilled') outcome.value.release();
}

/** A graph whose nodes compute some values under another name, so that these can be given instead. */
function withoutProducers(graph: Graph, names: readonly string[]): Graph {
  for (const name of names)
    if (!graph.nodes.some(({ outputs }) => outputs.includes(name)))
      throw new ShapeError(`the model has no value named '${name.slice(inProgram('').length)}'`);
  if (names.length === 0) return graph;
  const rename = (name: string) => (names.includes(name) ? `${name}/own` : name);
  return { ...graph, nodes: graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map(rename) })) };
}

function lookUp(values: Map<string, Value>, name: string): Value {
  const value = values.get(inProgram(name));
  if (value === undefined) throw new ShapeError(`the model has no value named '${name}'`);
  return value;
}

/** Throws a UsageError unless a model tells at least two classes apart: of one, every prediction is right. */
export function checkClasses({ name, classes }: ModelDescription): void {
  if (classes.length < 2)
    throw new UsageError(
      `'${name}' has one output an image: attacks and accuracy need a score for each of two classes or more`,
    );
}

/** Throws a UsageError unless `images` are [N, ...inputShape], with as many values as that says. */
export function checkImages(classifier: Classifier, images: Tensor): void {
  const expected = classifier.inputShape;
  const [count, ...shape] = images.shape;
  if (count === undefined || shape.length !== expected.length || shape.some((size, i) => size !== expected[i])) {
    throw new UsageError(
      `images of shape [${images.shape.join(', ')}] do not fit '${classifier.description.name}', which takes [N, ${expected.join(', ')}]`,
    );
  }
  if (images.data.length !== sizeOf(images.shape)) {
    throw new UsageError(
      `images of shape [${images.shape.join(', ')}] have ${sizeOf(images.shape)} values, but ${images.data.length} were given`,
    );
  }
}
