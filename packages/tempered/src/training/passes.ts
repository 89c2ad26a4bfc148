/** @file The clean and the adversarial pass of a batch, written or fed when a loss first reads them. */
import type { GraphBuilder, Value } from 'onnx-grad';
import type { AppliedModel } from '../models/classifier.ts';
import { type ClassActivationHead, classActivationMaps } from '../objectives/class-activation-map.ts';
import type { Pass } from './objectives/context.ts';

/** A pass written into the graph at its first use; a loss that reads only the images writes none. */
export function writtenPass(
  g: GraphBuilder,
  x: () => Value,
  apply: (x: Value) => AppliedModel,
  head: () => ClassActivationHead,
): Pass {
  const images = once(x);
  const applied = once(() => apply(images()));
  const maps = once(() => classActivationMaps(g, applied(), head()));
  return {
    get x() {
      return images();
    },
    get logits() {
      return applied().logits;
    },
    get maps() {
      return maps();
    },
  };
}

/** What the steps of an attack read of the clean pass, computed once before them: inputs of their graph, by output name. */
export const REFERENCES = ['clean_logits', 'clean_maps'] as const;

export type Reference = (typeof REFERENCES)[number];

/** A pass whose results are inputs of the graph, of the shapes given. */
export function fedPass(
  g: GraphBuilder,
  x: () => Value,
  shapes: (reference: Reference) => readonly number[],
): Pass & { readonly read: ReadonlySet<Reference> } {
  const read = new Set<Reference>();
  const input = (name: Reference) =>
    once(() => {
      read.add(name);
      return g.input(name, 'float32', shapes(name));
    });
  const [logits, maps] = [input('clean_logits'), input('clean_maps')];
  return {
    read,
    get x() {
      return x();
    },
    get logits() {
      return logits();
    },
    get maps() {
      return maps();
    },
  };
}

/** A function that computes its result at the first call only. */
export function once<T>(compute: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => {
    result ??= { value: compute() };
    return result.value;
  };
}
