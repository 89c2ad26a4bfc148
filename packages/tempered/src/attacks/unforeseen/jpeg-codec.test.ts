import { emptyGraph, GraphBuilder, writeModel } from 'onnx-grad';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../../random.ts';
import { createNodeRuntime } from '../../runtime/node/node-runtime.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { CHROMINANCE, decode, encode, LUMINANCE } from './jpeg-codec.ts';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createNodeRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** Runs the codec with rounding between its halves, or without. */
async function codec(shape: readonly number[], data: Float32Array, rounding: boolean) {
  const g = new GraphBuilder(emptyGraph('codec'));
  const round = (value: ReturnType<typeof g.neg>) => (rounding ? g.op('Round', [value]) : value);
  const { luminance, chrominance } = encode(g, g.input('x', 'float32', shape));
  g.output(luminance, 'luminance');
  if (chrominance) g.output(chrominance, 'chrominance');
  g.output(decode(g, { luminance: round(luminance), chrominance: chrominance && round(chrominance) }), 'decoded');
  const program = await runtime.compile(writeModel(g.graph));
  const { fetched } = await program.run({ x: { dtype: 'float32', shape, data } });
  return Object.fromEntries(
    Object.entries(fetched).map(([name, tensor]) => [name, Float32Array.from(tensor.data as Float32Array)]),
  );
}

/** T.81, A.3.3, written out: the coefficient (v, u) of the block of `size` × `size` samples, here 8. */
function coefficient(sample: (y: number, x: number) => number, v: number, u: number): number {
  let sum = 0;
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++)
      sum += sample(y, x) * Math.cos(((2 * x + 1) * u * Math.PI) / 16) * Math.cos(((2 * y + 1) * v * Math.PI) / 16);
  return (sum * (u === 0 ? Math.SQRT1_2 : 1) * (v === 0 ? Math.SQRT1_2 : 1)) / 4;
}

const noise = (length: number) => {
  const random = createRandom(3, 'jpeg', length);
  return Float32Array.from({ length }, () => random.uniform());
};

it('has the tables of the standard: those that libjpeg writes at quality 50', async () => {
  const file = await sharp(Buffer.alloc(32 * 32 * 3, 100), { raw: { width: 32, height: 32, channels: 3 } })
    .jpeg({ quality: 50, chromaSubsampling: '4:2:0' })
    .toBuffer();
  const zigzag = Array.from({ length: 64 }, (_, i) => [Math.floor(i / 8), i % 8] as const).sort(
    ([a, b], [c, d]) => a + b - c - d || ((a + b) % 2 === 0 ? c - a : a - c),
  );
  const tables: number[][] = [];
  for (let at = 2; file[at] === 0xff && file[at + 1] !== 0xda; at += 2 + file.readUInt16BE(at + 2)) {
    if (file[at + 1] !== 0xdb) continue;
    for (let start = at + 4; start < at + 2 + file.readUInt16BE(at + 2); start += 65) {
      const table = new Array<number>(64);
      for (const [i, [row, column]] of zigzag.entries()) table[row * 8 + column] = file[start + 1 + i]!;
      tables.push(table);
    }
  }
  expect(tables).toEqual([LUMINANCE, CHROMINANCE]);
});

it('computes the coefficients of the definition, colours subsampled', async () => {
  const [H, W] = [16, 32];
  const data = noise(3 * H * W);
  const found = await codec([1, 3, H, W], data, false);
  const rgb = (c: number, y: number, x: number) => 255 * data[(c * H + y) * W + x]!;
  const ycc = [
    (y: number, x: number) => 0.299 * rgb(0, y, x) + 0.587 * rgb(1, y, x) + 0.114 * rgb(2, y, x) - 128,
    (y: number, x: number) => -0.168736 * rgb(0, y, x) - 0.331264 * rgb(1, y, x) + 0.5 * rgb(2, y, x),
    (y: number, x: number) => 0.5 * rgb(0, y, x) - 0.418688 * rgb(1, y, x) - 0.081312 * rgb(2, y, x),
  ];
  const subsampled = (plane: (y: number, x: number) => number) => (y: number, x: number) =>
    (plane(2 * y, 2 * x) + plane(2 * y, 2 * x + 1) + plane(2 * y + 1, 2 * x) + plane(2 * y + 1, 2 * x + 1)) / 4;
  let worst = 0;
  for (let v = 0; v < 8; v++)
    for (let u = 0; u < 8; u++) {
      for (const [top, left] of [
        [0, 0],
        [8, 24],
      ] as const) {
        const expected = coefficient((y, x) => ycc[0]!(top + y, left + x), v, u) / LUMINANCE[v * 8 + u]!;
        worst = Math.max(worst, Math.abs(found.luminance![(top + v) * W + left + u]! - expected));
      }
      for (const c of [1, 2]) {
        const plane = subsampled(ycc[c]!);
        const expected = coefficient((y, x) => plane(y, 8 + x), v, u) / CHROMINANCE[v * 8 + u]!;
        worst = Math.max(worst, Math.abs(found.chrominance![((c - 1) * 8 + v) * 16 + 8 + u]! - expected));
      }
    }
  expect(worst).toBeLessThan(1e-3);
});

it('gives back grey images, and colours whose differences do not change within 2 × 2 pixels', async () => {
  const grey = noise(16 * 8);
  const { decoded } = await codec([1, 1, 16, 8], grey, false);
  expect(Math.max(...grey.map((value, i) => Math.abs(value - decoded![i]!)))).toBeLessThan(1e-5);
  const coarse = noise(3 * 8 * 8);
  const colour = Float32Array.from({ length: 3 * 16 * 16 }, (_, i) => {
    const [c, y, x] = [Math.floor(i / 256), Math.floor(i / 16) % 16, i % 16];
    return coarse[(c * 8 + Math.floor(y / 2)) * 8 + Math.floor(x / 2)]!;
  });
  const again = await codec([1, 3, 16, 16], colour, false);
  expect(Math.max(...colour.map((value, i) => Math.abs(value - again.decoded![i]!)))).toBeLessThan(1e-5);
});

it('rounded, is the JPEG of other programs', async () => {
  const [H, W] = [24, 16];
  const pixels = Uint8Array.from(noise(H * W), (value, i) => 60 + 100 * value + 3 * (i % W));
  const file = await sharp(pixels, { raw: { width: W, height: H, channels: 1 } })
    .jpeg({ quality: 50 })
    .toBuffer();
  const theirs = await sharp(file).toColourspace('b-w').raw().toBuffer();
  const { decoded } = await codec(
    [1, 1, H, W],
    Float32Array.from(pixels, (value) => value / 255),
    true,
  );
  const difference = Array.from(theirs, (value, i) => Math.abs(value - 255 * decoded![i]!));
  // Whole numbers inside the other one; a coefficient close to a half may be rounded otherwise.
  expect(difference.reduce((a, b) => a + b) / difference.length).toBeLessThan(1);
  expect(difference.filter((value) => value < 1.6).length / difference.length).toBeGreaterThan(0.8);
});
