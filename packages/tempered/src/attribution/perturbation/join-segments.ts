/** @file Makes segments connected, large enough and few enough. */
import type { Segmentation } from './superpixels.ts';

interface JoinOptions {
  readonly height: number;
  readonly width: number;
  /** Pixels that a segment must have. */
  readonly smallest: number;
  /** Segments that there may be. */
  readonly most: number;
}

/**
 * Takes each connected part of a label (over the four neighbours) as a segment, and joins those that are too small, then
 * the smallest while there are too many, to the adjacent segment of the most similar mean colour.
 *
 * @param colours [H · W, 3]
 */
export function joinSegments(
  labels: Int32Array,
  colours: Float64Array,
  { height, width, smallest, most }: JoinOptions,
): Segmentation {
  const { parts, count } = connectedParts(labels, height, width);
  const segments = describe(parts, count, colours);
  connect(segments, parts, height, width);
  const ofPart = Int32Array.from({ length: count }, (_, part) => part);
  const find = (part: number): number => {
    let top = part;
    while (ofPart[top] !== top) top = ofPart[top]!;
    // Everything passed on the way points to the top from here on.
    for (let at = part; at !== top; ) [at, ofPart[at]] = [ofPart[at]!, top];
    return top;
  };
  const join = (part: number) => {
    const into = mostSimilarNeighbour(segments, part);
    if (into === undefined) return;
    merge(segments, part, into);
    ofPart[part] = into;
  };
  const bySize = [...segments.keys()].sort((a, b) => segments[a]!.size - segments[b]!.size || a - b);
  // What a small segment joins is large enough, or comes later in this order.
  for (const part of bySize) {
    const segment = find(part);
    if (segments[segment]!.size < smallest) join(segment);
  }
  let left = [...segments.keys()].filter((part) => find(part) === part);
  while (left.length > most) {
    join(left.reduce((least, part) => (segments[part]!.size < segments[least]!.size ? part : least)));
    left = left.filter((part) => find(part) === part);
  }
  const numbers = new Map(left.map((part, number) => [part, number]));
  return { count: left.length, labels: parts.map((part) => numbers.get(find(part))!) };
}

interface Segment {
  size: number;
  /** Sums over its pixels. */
  readonly colour: [number, number, number];
  readonly neighbours: Set<number>;
}

/** Numbers the connected parts of equal labels in reading order. */
function connectedParts(labels: Int32Array, height: number, width: number): { parts: Int32Array; count: number } {
  const parts = new Int32Array(labels.length).fill(-1);
  const stack: number[] = [];
  let count = 0;
  for (let start = 0; start < labels.length; start++) {
    if (parts[start] !== -1) continue;
    parts[start] = count;
    stack.push(start);
    for (let p = stack.pop(); p !== undefined; p = stack.pop()) {
      const x = p % width;
      const visit = (q: number) => {
        if (parts[q] !== -1 || labels[q] !== labels[start]) return;
        parts[q] = count;
        stack.push(q);
      };
      if (x > 0) visit(p - 1);
      if (x < width - 1) visit(p + 1);
      if (p >= width) visit(p - width);
      if (p < (height - 1) * width) visit(p + width);
    }
    count += 1;
  }
  return { parts, count };
}

function describe(parts: Int32Array, count: number, colours: Float64Array): Segment[] {
  const segments = Array.from(
    { length: count },
    (): Segment => ({ size: 0, colour: [0, 0, 0], neighbours: new Set() }),
  );
  parts.forEach((part, p) => {
    const segment = segments[part]!;
    segment.size += 1;
    for (let i = 0; i < 3; i++) segment.colour[i]! += colours[3 * p + i]!;
  });
  return segments;
}

function connect(segments: readonly Segment[], parts: Int32Array, height: number, width: number): void {
  const border = (a: number, b: number) => {
    if (a === b) return;
    segments[a]!.neighbours.add(b);
    segments[b]!.neighbours.add(a);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      if (x + 1 < width) border(parts[p]!, parts[p + 1]!);
      if (y + 1 < height) border(parts[p]!, parts[p + width]!);
    }
  }
}

/** Undefined when the segment is the whole image. */
function mostSimilarNeighbour(segments: readonly Segment[], part: number): number | undefined {
  const own = segments[part]!;
  let best: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const neighbour of own.neighbours) {
    const other = segments[neighbour]!;
    let distance = 0;
    for (let i = 0; i < 3; i++) distance += (own.colour[i]! / own.size - other.colour[i]! / other.size) ** 2;
    if (distance < least || (distance === least && neighbour < best!)) {
      least = distance;
      best = neighbour;
    }
  }
  return best;
}

function merge(segments: readonly Segment[], part: number, into: number): void {
  const from = segments[part]!;
  const target = segments[into]!;
  target.size += from.size;
  for (let i = 0; i < 3; i++) target.colour[i]! += from.colour[i]!;
  for (const neighbour of from.neighbours) {
    const { neighbours } = segments[neighbour]!;
    neighbours.delete(part);
    if (neighbour === into) continue;
    neighbours.add(into);
    target.neighbours.add(neighbour);
  }
  target.neighbours.delete(into);
}
