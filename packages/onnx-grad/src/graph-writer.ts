/** @file Writes nodes into a graph: knows every value's type and static shape, and folds what is constant. */
import { ShapeError, UnsupportedOpError } from './errors.ts';
import { toNumeric, toTensor } from './evaluate/array.ts';
import { checkTypes, isFoldable, MAX_FOLDED_ELEMENTS } from './fold.ts';
import { type DataType, emptyGraph, type Graph, type Node, sizeOf, type Tensor } from './graph.ts';
import { operators } from './operators/index.ts';
import { readAttributes } from './operators/operator.ts';
import type { Value } from './value.ts';

export type AttributeInput = number | string | readonly number[] | Tensor | undefined;

/** A graph under construction: its values with their types, and nodes appended one by one. */
export class GraphWriter {
  readonly graph: Graph;
  readonly #values = new Map<string, Value>();
  readonly #producers = new Map<string, Node>();
  readonly #scalars = new Map<string, Value>();
  #counter = 0;

  /**
   * @param graph a specialised graph to continue (it is modified), or nothing for an empty one
   * @param parameters initializers that count as variables: they are neither folded nor assumed constant
   */
  constructor(graph: Graph = emptyGraph('graph'), parameters: Iterable<string> = []) {
    this.graph = graph;
    const variables = new Set(parameters);
    for (const { name, dtype, shape } of graph.inputs) {
      if (shape === undefined || shape.some((d) => typeof d !== 'number')) {
        throw new ShapeError(`input '${name}' has no static shape: specialize the graph first`);
      }
      this.#values.set(name, { name, dtype, shape: shape as readonly number[] });
    }
    for (const [name, tensor] of graph.initializers) {
      const { dtype, shape } = tensor;
      if (this.#values.has(name)) continue;
      this.#values.set(name, variables.has(name) ? { name, dtype, shape } : { name, dtype, shape, constant: tensor });
    }
    for (const node of graph.nodes) this.#register(node);
  }

  /** The value called `name`; throws when there is none. */
  value(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new ShapeError(`the graph has no value named '${name}'`);
    return value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The node that computes a value; undefined for inputs and constants. */
  producer(value: Value): Node | undefined {
    return this.#producers.get(value.name);
  }

  input(name: string, dtype: DataType, shape: readonly number[]): Value {
    if (this.#values.has(name)) throw new ShapeError(`the graph already has a value named '${name}'`);
    const value: Value = { name, dtype, shape };
    this.graph.inputs.push({ name, dtype, shape });
    this.#values.set(name, value);
    return value;
  }

  /** A trained tensor: stored with the graph under its own name, and never folded into others. */
  parameter(name: string, tensor: Tensor): Value {
    if (this.#values.has(name)) throw new ShapeError(`the graph already has a value named '${name}'`);
    const value: Value = { name, dtype: tensor.dtype, shape: tensor.shape };
    this.graph.initializers.set(name, tensor);
    this.#values.set(name, value);
    return value;
  }

  /** Declares a graph output, renamed through an Identity when `name` differs from the value's own. */
  output(value: Value, name: string = value.name): Value {
    let result = value;
    if (name !== value.name || this.producer(value) === undefined) {
      const target = name === value.name ? this.#fresh('output') : name;
      if (this.#values.has(target)) throw new ShapeError(`the graph already has a value named '${target}'`);
      result = this.#emit('Identity', [value], {}, [target])[0]!;
    }
    this.graph.outputs.push({ name: result.name, dtype: result.dtype, shape: result.shape });
    return result;
  }

  /** Gives a computed value, and its node, a name of its own. The old name is gone: use the value returned. */
  rename(value: Value, name: string): Value {
    const node = this.producer(value);
    if (node === undefined || this.#values.has(name)) {
      throw new ShapeError(`cannot rename '${value.name}' to '${name}': it is not computed here, or the name is taken`);
    }
    node.outputs = node.outputs.map((output) => (output === value.name ? name : output));
    node.name = name;
    this.#values.delete(value.name);
    this.#producers.delete(value.name);
    const renamed = { ...value, name };
    this.#values.set(name, renamed);
    this.#producers.set(name, node);
    return renamed;
  }

  tensor(tensor: Tensor): Value {
    return { name: this.#fresh('constant'), dtype: tensor.dtype, shape: tensor.shape, constant: tensor };
  }

  /** A float constant: a number (rank 0) or numbers with a shape, of the type of `like` (float32 when left out). */
  constant(content: number | readonly number[], shape: readonly number[] = [], like?: { dtype: DataType }): Value {
    const dtype = like?.dtype ?? 'float32';
    if (dtype === 'string') throw new ShapeError('strings do not mix with numbers');
    if (typeof content === 'number' && shape.length === 0) {
      const key = `${dtype} ${Object.is(content, -0) ? '-0' : content}`;
      const known = this.#scalars.get(key);
      if (known !== undefined) return known;
      const value = this.tensor(toTensor({ dtype, shape, data: Float64Array.of(content) }));
      this.#scalars.set(key, value);
      return value;
    }
    // A large array of one number is an expression, not data in the file.
    if (typeof content === 'number' && sizeOf(shape) > MAX_FOLDED_ELEMENTS) {
      return this.op('Expand', [this.constant(content, [], like), this.integers(shape)]);
    }
    const data =
      typeof content === 'number' ? new Float64Array(sizeOf(shape)).fill(content) : Float64Array.from(content);
    return this.tensor(toTensor({ dtype, shape, data }));
  }

  /** A vector of 64-bit integers, for axes, shapes and indices. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    return this.tensor(toTensor({ dtype: 'int64', shape, data: Float64Array.from(values) }));
  }

  zerosLike(value: Value): Value {
    return this.constant(0, value.shape, value);
  }

  /**
   * Writes another specialised graph into this one, with its inputs, and any initializers to be replaced, bound to
   * values of this graph. Names are kept where they are free. Returns every value of the other graph by its name there.
   */
  append(other: Graph, bindings: Readonly<Record<string, Value>>): Map<string, Value> {
    const values = new Map<string, Value>(Object.entries(bindings));
    for (const { name } of other.inputs) {
      if (!values.has(name) && !other.initializers.has(name))
        throw new ShapeError(`input '${name}' of the appended graph is not bound`);
    }
    for (const [name, tensor] of other.initializers) {
      if (values.has(name)) continue;
      const known = this.#values.get(name);
      const own = known === undefined || known.constant === tensor ? name : this.#fresh(name);
      values.set(name, { name: own, dtype: tensor.dtype, shape: tensor.shape, constant: tensor });
    }
    for (const node of other.nodes) {
      const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
      const names = node.outputs.map((name) => (name === '' ? '' : this.#values.has(name) ? this.#fresh(name) : name));
      const attributes = Object.fromEntries(
        Object.entries(node.attributes).map(([key, attribute]) => [key, attribute.value as AttributeInput]),
      );
      const outputs = this.#emit(node.op, inputs, attributes, names);
      node.outputs.forEach((name, i) => {
        if (name !== '') values.set(name, outputs[i]!);
      });
    }
    return values;
  }

  /** Adds one node and returns its outputs; when every input is constant, computes them instead. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeInput> = {},
    outputCount = 1,
  ): Value[] {
    const names = Array.from({ length: outputCount }, () => this.#fresh(op));
    return this.#emit(op, inputs, attributes, names) as Value[];
  }

  /** `node` for the many operators with one output. */
  op(op: string, inputs: readonly (Value | undefined)[], attributes: Record<string, AttributeInput> = {}): Value {
    return this.node(op, inputs, attributes)[0]!;
  }

  #fresh(hint: string): string {
    let name: string;
    do {
      this.#counter += 1;
      name = `${hint}_${this.#counter}`;
    } while (this.#values.has(name));
    return name;
  }

  #emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Record<string, AttributeInput>,
    names: string[],
  ): (Value | undefined)[] {
    const operator = operators[op];
    if (operator === undefined)
      throw new UnsupportedOpError(op, `the builder cannot write ${op}: it is not in the operator table`);
    const node: Node = {
      name: names[0]!,
      op,
      domain: '',
      inputs: inputs.map((v) => v?.name ?? ''),
      outputs: names,
      attributes: {},
    };
    for (const [name, value] of Object.entries(attributes)) {
      const entry = operator.attributes[name];
      if (entry === undefined) throw new ShapeError(`${op} has no attribute '${name}'`);
      if (value !== undefined) node.attributes[name] = { kind: entry.kind, value } as Node['attributes'][string];
    }
    while (node.inputs.length > 0 && node.inputs.at(-1) === '') node.inputs.pop();

    if (op !== 'Identity' && operator.evaluate !== undefined && inputs.every((v) => v === undefined || v.constant)) {
      const values = readAttributes(operator.attributes, node);
      const types = checkTypes(node, operator.infer({ node, attributes: values, inputs, outputCount: names.length }));
      if (isFoldable(op, inputs, types)) {
        const arrays = operator.evaluate({
          attributes: values,
          inputs: inputs.map((v) => v?.constant && toNumeric(v.constant)),
          outputCount: names.length,
        });
        return names.map((_, i) =>
          this.tensor(toTensor({ ...arrays[i]!, dtype: types[i]!.dtype, shape: types[i]!.shape })),
        );
      }
    }

    for (const value of inputs) {
      if (value === undefined) continue;
      const known = this.#values.get(value.name);
      if (known === undefined && value.constant !== undefined) {
        this.graph.initializers.set(value.name, value.constant);
        this.#values.set(value.name, value);
      } else if (known === undefined) {
        throw new ShapeError(`value '${value.name}' belongs to another graph`);
      }
    }
    this.graph.nodes.push(node);
    this.#register(node);
    return names.map((name) => (name === '' ? undefined : this.value(name)));
  }

  #register(node: Node): void {
    const operator = node.domain === '' ? operators[node.op] : undefined;
    if (operator === undefined) {
      throw new UnsupportedOpError(
        node.op,
        `the shapes of ${node.domain}:${node.op} (node '${node.name}') are not known`,
      );
    }
    const types = checkTypes(
      node,
      operator.infer({
        node,
        attributes: readAttributes(operator.attributes, node),
        inputs: node.inputs.map((name) => (name === '' ? undefined : this.value(name))),
        outputCount: node.outputs.length,
      }),
    );
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const { dtype, shape } = types[index]!;
      this.#values.set(name, { name, dtype, shape });
      this.#producers.set(name, node);
    });
  }
}
