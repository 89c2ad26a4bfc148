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
import type { HostTensor, Program, ResidentTensor, RunOptions, RunResult, Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { graphInProgram, inProgram } from './namespace.ts';

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
  /** Writes the model applied to `x`, [batch, C, H, W]. */
  model(x: Value): AppliedModel;
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
  readonly #programs = new Map<string, Promise<Program>>();
  readonly #specialized = new Map<number, Graph>();

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
   * must mean equal programs.
   */
  async program(key: string, batch: number, build: (context: ProgramContext) => void): Promise<ClassifierProgram> {
    const fullKey = `${batch} ${key}`;
    let compiled = this.#programs.get(fullKey);
    if (compiled === undefined) {
      compiled = this.#compile(key, batch, build);
      this.#programs.set(fullKey, compiled);
      compiled.catch(() => this.#programs.delete(fullKey));
    }
    const program = await compiled;
    const own = Object.keys(this.parameters)
      .map((name) => [name, inProgram(name)] as const)
      .filter(([, input]) => program.inputNames.includes(input));
    return {
      inputNames: program.inputNames,
      // Looked up at every run: training replaces the parameters after each step.
      run: (feeds, options) =>
        program.run(
          { ...feeds, ...Object.fromEntries(own.map(([name, input]) => [input, this.parameters[name]!])) },
          options,
        ),
    };
  }

  /** Frees every compiled program; the classifier can still be used and compiles anew. */
  async release(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const outcome of await Promise.allSettled(programs)) {
      if (outcome.status === 'fulfilled') outcome.value.release();
    }
  }

  #compile(key: string, batch: number, build: (context: ProgramContext) => void): Promise<Program> {
    const graph = this.#specialize(batch);
    const g = new GraphBuilder(emptyGraph(this.description.name));
    const bindings: Record<string, Value> = {};
    for (const [name, tensor] of Object.entries(this.parameters)) {
      const input = inProgram(name);
      if (graph.initializers.has(input)) bindings[input] = g.input(input, tensor.dtype as DataType, tensor.shape);
    }
    build({
      g,
      batch,
      model: (x) => {
        const values = g.append(graph, { ...bindings, [inProgram(this.description.input)]: x });
        const output = lookUp(values, this.description.logits);
        return {
          logits: output.shape.length === 2 ? output : g.reshape(output, [batch, this.classes.length]),
          value: (name) => lookUp(values, name),
        };
      },
    });
    return this.runtime.compile(writeModel(decompose(g.graph)), { label: `${this.description.name}, ${key}` });
  }

  #specialize(batch: number): Graph {
    let graph = this.#specialized.get(batch);
    if (graph === undefined) {
      const { input, inputShape } = this.description;
      graph = graphInProgram(
        specialize(
          this.description.graph,
          { [input]: [batch, ...inputShape] },
          { parameters: Object.keys(this.parameters) },
        ),
      );
      this.#specialized.set(batch, graph);
    }
    return graph;
  }
}

function lookUp(values: Map<string, Value>, name: string): Value {
  const value = values.get(inProgram(name));
  if (value === undefined) throw new ShapeError(`the model has no value named '${name}'`);
  return value;
}

/** Throws a UsageError unless `images` are [N, ...inputShape]. */
export function checkImages(classifier: Classifier, images: Tensor): void {
  const expected = classifier.inputShape;
  const [count, ...shape] = images.shape;
  if (count === undefined || shape.length !== expected.length || shape.some((size, i) => size !== expected[i])) {
    throw new UsageError(
      `images of shape [${images.shape.join(', ')}] do not fit '${classifier.description.name}', which takes [N, ${expected.join(', ')}]`,
    );
  }
}
