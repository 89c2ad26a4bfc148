/** @file Walks over a protobuf file before it is decoded, because two bytes of file can become a kilobyte of objects. */
import type { DescMessage } from '@bufbuild/protobuf';
import { ModelError } from './errors.ts';

/** Nodes, attributes, tensors and metadata entries of a file; the largest exports have some tens of thousands. */
const MAX_MESSAGES = 500_000;
/** Messages inside messages: three for each level of sub-graphs. */
const MAX_DEPTH = 100;

type Children = ReadonlyMap<number, DescMessage>;

/**
 * Refuses files that would decode to an excessive number of objects, or too deeply nested ones.
 *
 * @returns false where the encoding is broken, or has groups, which ONNX does not use
 */
export function isWellFormed(schema: DescMessage, bytes: Uint8Array): boolean {
  const known = new Map<DescMessage, Children>();
  let count = 0;
  let at = 0;

  const childrenOf = (message: DescMessage): Children => {
    const cached = known.get(message);
    if (cached !== undefined) return cached;
    const children = new Map(message.fields.flatMap(({ number, message: child }) => (child ? [[number, child]] : [])));
    known.set(message, children);
    return children;
  };

  /** The number at the cursor; NaN beyond the end. */
  const varint = (end: number): number => {
    let value = 0;
    for (let scale = 1; at < end; scale *= 128) {
      const byte = bytes[at]!;
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };

  /** Walks one message; false where it is broken. */
  const walk = (message: DescMessage, end: number, depth: number): boolean => {
    if (depth > MAX_DEPTH) throw new ModelError('the file nests messages too deeply: it is damaged');
    const children = childrenOf(message);
    while (at < end) {
      const tag = varint(end);
      const kind = tag % 8;
      if (kind === 0) varint(end);
      else if (kind === 1) at += 8;
      else if (kind === 5) at += 4;
      else if (kind === 2) {
        const stop = varint(end) + at;
        if (!(stop <= end)) return false;
        const child = children.get(Math.floor(tag / 8));
        if (child === undefined) {
          at = stop;
          continue;
        }
        count += 1;
        if (count > MAX_MESSAGES) throw new ModelError(`the file has more than ${MAX_MESSAGES} parts: it is damaged`);
        if (!walk(child, stop, depth + 1)) return false;
      } else return false;
    }
    return at === end;
  };
  return walk(schema, bytes.byteLength, 0);
}
