/** A whole number in [0, below). */
export type Random = (below: number) => number;

/** A 32-bit generator (Weyl sequence and a finaliser) */
export function generator(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Bytes that protobuf readers stumble over: long varints, group tags, the largest and smallest lengths. */
const AWKWARD = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0b, 0x0c, 0xfe];

type Mutation = (bytes: number[], random: Random) => void;

const mutations: readonly Mutation[] = [
  (bytes, random) => {
    const at = random(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random(8));
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = random(256);
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = AWKWARD[random(AWKWARD.length)]!;
  },
  // Neighbouring small numbers: lengths, dimensions, axes.
  (bytes, random) => {
    const at = random(bytes.length);
    bytes[at] = (bytes[at]! + 255 + random(3)) & 255;
  },
  // A varint of many bytes in the place of one.
  (bytes, random) => {
    bytes.splice(
      random(bytes.length),
      1,
      ...Array.from({ length: 1 + random(9) }, () => 0x80 | random(128)),
      random(128),
    );
  },
  (bytes, random) => {
    bytes.splice(random(bytes.length), 1 + random(8));
  },
  (bytes, random) => {
    const from = random(bytes.length);
    bytes.splice(random(bytes.length), 0, ...bytes.slice(from, from + 1 + random(64)));
  },
  (bytes, random) => {
    const from = random(bytes.length);
    const piece = bytes.slice(from, from + 1 + random(32));
    bytes.splice(random(bytes.length), piece.length, ...piece);
  },
  (bytes, random) => {
    bytes.length = random(bytes.length) + 1;
  },
];

/** A damaged copy of a file, a function of the file and the number alone. */
export function mutate(original: Uint8Array, number: number): Uint8Array {
  const random = generator(number);
  const bytes = [...original];
  for (let rounds = 1 + random(4); rounds > 0 && bytes.length > 0; rounds -= 1)
    mutations[random(mutations.length)]!(bytes, random);
  return Uint8Array.from(bytes);
}
