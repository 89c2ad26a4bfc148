/** @file Layers: values of the ONNX file that users name, and what they must be like to be explained by image. */
import { type GraphBuilder, isFloat, specialize, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { fixedBatch } from '../models/batching.ts';
import type { ModelDescription, ProgramContext } from '../models/classifier.ts';
import { elementsBeforeImages } from './lrp/per-image.ts';

/** Specialising a model takes a while; what is left of it never changes. */
const known = new WeakMap<ModelDescription, ReadonlySet<string>>();

/** The values of the ONNX file that programs compute, in their order. */
function valuesInPrograms(model: ModelDescription): ReadonlySet<string> {
  const found = known.get(model);
  if (found !== undefined) return found;
  const shape = [fixedBatch(model) ?? 1, ...model.inputShape];
  const { nodes } = specialize(model.graph, { [model.input]: shape });
  const own = new Set(model.graph.nodes.flatMap(({ outputs }) => outputs));
  const values = new Set(nodes.flatMap(({ outputs }) => outputs).filter((name) => own.has(name)));
  known.set(model, values);
  return values;
}

/** Nodes that are left out of programs where they change nothing. */
const LEFT_OUT: ReadonlySet<string> = new Set(['Identity', 'Dropout', 'Cast', 'Reshape', 'Flatten']);

/**
 * The value of the ONNX file that `name` means: a value, or the first output of a node of that name. Where programs have
 * that under another name, since they leave out nodes that change nothing, it is the other one.
 *
 * @throws UsageError when there is none, with the names that come closest
 */
export function resolveLayer(model: ModelDescription, name: string): string {
  const { nodes } = model.graph;
  const node = nodes.find(({ outputs }) => outputs.includes(name)) ?? nodes.find((node) => node.name === name);
  const value = node?.outputs.includes(name) ? name : node?.outputs[0];
  const computed = valuesInPrograms(model);
  const found =
    value && (computed.has(value) ? value : (before(model, computed, value) ?? after(model, computed, value)));
  if (found) return found;
  const similar = [...computed].filter((value) => value.toLowerCase().includes(name.toLowerCase())).slice(0, 5);
  const all = [...computed];
  const listed = all.length > 4 ? `${all.slice(0, 3).join(', ')} ... ${all.at(-1)}` : all.join(', ');
  throw new UsageError(
    `${value ? `the layer '${name}' of '${model.name}' does not depend on the image` : `'${model.name}' has no layer '${name}'`}; ${similar.length > 0 ? `there are ${similar.join(', ')}` : `its layers are ${listed}`}`,
  );
}

/** What a node that is left out reads. */
function before(model: ModelDescription, computed: ReadonlySet<string>, value: string): string | undefined {
  const node = model.graph.nodes.find(({ outputs }) => outputs[0] === value && value !== '');
  const input = node && LEFT_OUT.has(node.op) ? node.inputs[0] : undefined;
  if (input === model.input)
    throw new UsageError(`the layer '${value}' of '${model.name}' is the image itself: leave out the layer`);
  return input === undefined || computed.has(input) ? input : before(model, computed, input);
}

/** The output of a model keeps its name: what is left out before it gives its own up. */
function after(model: ModelDescription, computed: ReadonlySet<string>, value: string): string | undefined {
  for (const { op, inputs, outputs } of model.graph.nodes) {
    if (inputs[0] !== value || !LEFT_OUT.has(op)) continue;
    const output = outputs[0]!;
    const found = computed.has(output) ? output : after(model, computed, output);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Throws a UsageError unless `output` is computed from the values of the layer: all attributions would be 0. */
export function checkDependence(g: GraphBuilder, output: Value, { name }: Value, layer: string): void {
  const needed = new Set([output.name]);
  for (const { inputs, outputs } of g.graph.nodes.toReversed())
    if (outputs.some((value) => needed.has(value))) for (const input of inputs) needed.add(input);
  if (!needed.has(name))
    throw new UsageError(
      `what is explained does not depend on the layer '${layer}', so that its attributions are all 0: name a layer before it`,
    );
}

/** Throws a UsageError unless `value` has a row for each of `batch` images; `layer` is where it was taken, if anywhere. */
export function checkPerImage(value: Value, batch: number, layer: string | undefined): void {
  if (value.shape[0] !== batch) refuseAxes(value, batch, layer);
}

function refuseAxes({ shape }: Value, batch: number, layer: string | undefined): never {
  const what = layer === undefined ? 'what was computed' : `the layer '${layer}'`;
  throw new UsageError(
    `${what} has shape [${shape.join(', ')}] for ${batch} images: its first axis must be that of the images`,
  );
}

/**
 * The model with its values checked as they are asked for: transformers may have tokens on the first axis, which cannot
 * be told from images by its length where there are as many.
 */
export function withLayersChecked<Context extends Pick<ProgramContext, 'g' | 'model'>>(context: Context): Context {
  const { g, model } = context;
  return {
    ...context,
    model: (x, instead) => {
      const applied = model(x, instead);
      return {
        ...applied,
        value: (name) => {
          const value = applied.value(name);
          if (!isFloat(value.dtype))
            throw new UsageError(`the layer '${name}' has values of type ${value.dtype}: only floats can be explained`);
          const batch = x.shape[0]!;
          const before = batch === 1 ? 1 : elementsBeforeImages(g, x, g.graph.nodes).get(value.name);
          if (before !== undefined && before !== 1) refuseAxes(value, batch, name);
          return value;
        },
      };
    },
  };
}
