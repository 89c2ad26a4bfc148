/** @file Layers: values of the ONNX file that users name, and what they must be like to be explained by image. */
import { isFloat, type Value } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import type { ModelDescription, ProgramContext } from '../models/classifier.ts';
import { elementsBeforeImages } from './lrp/per-image.ts';

/**
 * The value of the ONNX file that `name` means: a value, or the first output of a node of that name.
 *
 * @throws UsageError when there is none, with the names that come closest
 */
export function resolveLayer({ graph, name: model }: ModelDescription, name: string): string {
  const values = graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== ''));
  if (values.includes(name)) return name;
  const node = graph.nodes.find((node) => node.name === name);
  if (node?.outputs[0]) return node.outputs[0];
  const similar = values.filter((value) => value.toLowerCase().includes(name.toLowerCase())).slice(0, 5);
  throw new UsageError(
    `'${model}' has no layer '${name}'; ${similar.length > 0 ? `there are ${similar.join(', ')}` : `its layers are ${values.slice(0, 3).join(', ')} ... ${values.at(-1)}`}`,
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
