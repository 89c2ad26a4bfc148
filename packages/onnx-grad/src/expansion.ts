/**
 * @file Writes a model's nodes into a builder, in the canonical operator set. Functions and constant branches are
 * written in place; names of the model are looked up in nested scopes.
 */
import type { GraphBuilder } from './builder.ts';
import { lower } from './canonical/index.ts';
import { NEWEST_OPSET, OLDEST_OPSET } from './canonical/since-versions.ts';
import { expandControlFlow, isControlFlow } from './control-flow.ts';
import { ModelError, ShapeError, UnsupportedOpError } from './errors.ts';
import { bindAttributes, expandFunction, functionKey } from './functions.ts';
import { type Attribute, describeNode, type FunctionDefinition, type Graph, type Node } from './graph.ts';
import type { Value } from './value.ts';

/** The names visible to a list of nodes. */
export interface Scope {
  readonly values: Map<string, Value | undefined>;
  /** The enclosing graph, of which a sub-graph may read; none for a function body. */
  readonly parent?: Scope;
  readonly opsets: Readonly<Record<string, number>>;
  /** Prepended to names of values and nodes: the path of the calls. */
  readonly prefix: string;
  /** The attributes of the function call being expanded. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** How many calls and branches deep. */
  readonly depth: number;
}

/** Functions that call each other twice expand without bound; no exporter's grow a model more than this. */
const maximumNodes = (stored: number): number => 20_000 + 20 * stored;
const MAX_DEPTH = 64;

export class Expansion {
  readonly g: GraphBuilder;
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
  /** The model's names of the builder's values. */
  readonly names = new Map<string, string>();
  readonly #limit: number;
  #written = 0;

  constructor(g: GraphBuilder, graph: Graph) {
    this.g = g;
    this.functions = new Map(
      graph.functions.map((definition) => [functionKey(definition.domain, definition.name), definition]),
    );
    const stored = graph.functions.reduce((count, { nodes }) => count + nodes.length, graph.nodes.length);
    this.#limit = maximumNodes(stored);
  }

  /** Adds a scope's constants under the model's names. */
  addInitializers(scope: Scope, initializers: Graph['initializers'], isParameter: (name: string) => boolean): void {
    for (const [name, tensor] of initializers) {
      if (isParameter(name)) {
        scope.values.set(name, this.g.parameter(name, tensor));
        continue;
      }
      const value = this.g.tensor(tensor);
      this.names.set(value.name, scope.prefix + name);
      scope.values.set(name, value);
    }
  }

  write(nodes: readonly Node[], scope: Scope): void {
    if (scope.depth > MAX_DEPTH) throw new ModelError(`functions and branches are nested more than ${MAX_DEPTH} deep`);
    for (const node of nodes) {
      this.#written += 1;
      if (this.#written > this.#limit) {
        throw new ModelError(`the model's functions expand to more than ${this.#limit} nodes`);
      }
      this.#writeNode(bindAttributes(node, scope.attributes), scope);
    }
  }

  /** A value by its name in the model. */
  lookUp(name: string, scope: Scope): Value | undefined {
    if (name === '') return undefined;
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      if (at.values.has(name)) return at.values.get(name);
    }
    throw new ModelError(`the graph has no value named '${name}'`);
  }

  #writeNode(node: Node, scope: Scope): void {
    const inputs = node.inputs.map((name) => this.lookUp(name, scope));
    const first = this.g.graph.nodes.length;
    const outputs = this.#outputsOf(node, inputs, scope);
    const nodeName = scope.prefix + (node.name || node.outputs.find((name) => name !== '') || node.op);
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const value = outputs[index];
      scope.values.set(name, value);
      if (value === undefined || this.names.has(value.name)) return;
      if (this.g.producer(value) !== undefined || value.constant !== undefined)
        this.names.set(value.name, scope.prefix + name);
    });
    const main = outputs[0] && this.g.producer(outputs[0]);
    for (const written of this.g.graph.nodes.slice(first)) {
      if (this.#named.has(written)) continue;
      this.#named.add(written);
      written.name = this.#unique(written === main ? nodeName : `${nodeName}/${written.op}`);
    }
  }

  /** ONNX Runtime refuses graphs in which two nodes share a name. */
  #unique(name: string): string {
    const copies = (this.#copies.get(name) ?? 0) + 1;
    this.#copies.set(name, copies);
    return copies === 1 ? name : this.#unique(`${name}_${copies}`);
  }

  readonly #copies = new Map<string, number>();

  /** Nodes that carry their final name; those of an expanded function have theirs when the call returns. */
  readonly #named = new Set<Node>();

  #outputsOf(node: Node, inputs: readonly (Value | undefined)[], scope: Scope): readonly (Value | undefined)[] {
    const definition = this.functions.get(functionKey(node.domain, node.op));
    if (definition !== undefined) return expandFunction(this, definition, node, inputs, scope);
    if (isControlFlow(node)) return expandControlFlow(this, node, inputs, scope);
    const version = scope.opsets[node.domain];
    if (version === undefined) {
      throw new ModelError(
        `the model uses ${describeNode(node)}, but declares no operator set of domain '${node.domain || 'ai.onnx'}'`,
      );
    }
    if (node.domain === '' && (version < OLDEST_OPSET || version > NEWEST_OPSET)) {
      throw new ModelError(
        `the model uses operator set ${version}; ${OLDEST_OPSET} to ${NEWEST_OPSET} are supported: convert it with onnx.version_converter`,
      );
    }
    try {
      return lower({ g: this.g, node, version, inputs, outputCount: node.outputs.length });
    } catch (error) {
      if (error instanceof ModelError || error instanceof ShapeError || error instanceof UnsupportedOpError)
        throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new ModelError(`${describeNode(node)} is inconsistent: ${reason}`, { cause: error });
    }
  }
}
