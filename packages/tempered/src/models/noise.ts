/** @file The noise of random models: drawn here and fed, because engines draw differently and cannot be repeated. */
import type { Graph, Node } from 'onnx-grad';
import type { Random } from '../random.ts';
import type { HostTensor } from '../runtime/runtime.ts';
import { sizeOf } from '../tensor.ts';

/** A value of a graph that is drawn anew for each run. */
export interface NoiseSource {
  readonly name: string;
  readonly shape: readonly number[];
  readonly distribution:
    | { readonly kind: 'normal'; readonly mean: number; readonly deviation: number }
    | { readonly kind: 'uniform'; readonly low: number; readonly high: number };
}

/** A specialised graph with its random nodes turned into inputs. */
export function separateNoise(graph: Graph): { graph: Graph; sources: NoiseSource[] } {
  const sources = graph.nodes.filter(isRandom).map(sourceOf);
  if (sources.length === 0) return { graph, sources };
  const inputs = sources.map(({ name, shape }) => ({ name, dtype: 'float32' as const, shape }));
  return {
    graph: { ...graph, inputs: [...graph.inputs, ...inputs], nodes: graph.nodes.filter((node) => !isRandom(node)) },
    sources,
  };
}

/** Whether a node of a specialised graph draws random numbers: all random operators are lowered to these two. */
export const isRandom = ({ domain, op }: Node): boolean =>
  domain === '' && (op === 'RandomNormal' || op === 'RandomUniform');

function sourceOf({ op, outputs, attributes }: Node): NoiseSource {
  const float = (name: string, fallback: number): number => {
    const attribute = attributes[name];
    return attribute?.kind === 'float' ? attribute.value : fallback;
  };
  const shape = attributes.shape?.kind === 'ints' ? attributes.shape.value : [];
  const distribution =
    op === 'RandomNormal'
      ? ({ kind: 'normal', mean: float('mean', 0), deviation: float('scale', 1) } as const)
      : ({ kind: 'uniform', low: float('low', 0), high: float('high', 1) } as const);
  return { name: outputs[0]!, shape, distribution };
}

export function drawNoise({ shape, distribution }: NoiseSource, random: Random): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  if (distribution.kind === 'normal') random.fillNormal(data, distribution.mean, distribution.deviation);
  else random.fillUniform(data, distribution.low, distribution.high);
  return { dtype: 'float32', shape, data };
}
