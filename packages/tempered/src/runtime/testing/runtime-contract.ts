/** @file What every runtime must do, whatever its device; run by the tests in Node and in the browser. */
import type { HostTensor, Runtime } from '../runtime.ts';
import { smallModel } from '../small-model.ts';

/** y = exp(x), and doubled = y + y. */
export const exponentialModel = (): Uint8Array =>
  smallModel({
    inputs: { x: { dtype: 'float32' } },
    nodes: [
      { op: 'Exp', inputs: ['x'], outputs: ['y'] },
      { op: 'Add', inputs: ['y', 'y'], outputs: ['doubled'] },
    ],
    outputs: { y: 'float32', doubled: 'float32' },
  });

/** product = a b. */
export const productModel = (name = 'product'): Uint8Array =>
  smallModel({
    inputs: { a: { dtype: 'float32' }, b: { dtype: 'float32' } },
    nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: [name] }],
    outputs: { [name]: 'float32' },
  });

export const tensor2x2 = (...values: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [2, 2],
  data: Float32Array.from(values),
});

/** Checks by name; each throws when the runtime does not keep the contract. */
export const contract: Record<string, (runtime: Runtime) => Promise<void>> = {
  async 'fetches every output and leaves the feeds as they were'(runtime) {
    const program = await runtime.compile(exponentialModel());
    const x = tensor2x2(0, 1, 2, -1);
    const { fetched, kept } = await program.run({ x });
    close(fetched.y, [1, Math.E, Math.E ** 2, 1 / Math.E]);
    close(fetched.doubled, [2, 2 * Math.E, 2 * Math.E ** 2, 2 / Math.E]);
    equal(Object.keys(kept).length, 0, 'kept');
    equal(x.data.length, 4, 'length of the feed after the run');
    program.release();
  },

  async 'feeds only the elements of a view'(runtime) {
    const program = await runtime.compile(exponentialModel());
    const x = { ...tensor2x2(), data: Float32Array.of(9, 9, 0, 0, 0, 0, 9, 9).subarray(2, 6) };
    close((await program.run({ x }, { fetch: ['y'] })).fetched.y, [1, 1, 1, 1]);
    program.release();
  },

  async 'keeps outputs, feeds them back, reads them more than once'(runtime) {
    const program = await runtime.compile(exponentialModel());
    const first = await program.run({ x: tensor2x2(0, 0, 0, 0) }, { keep: ['y'] });
    equal(Object.keys(first.fetched).join(), 'doubled', 'fetched');
    const y = first.kept.y!;
    equal(y.shape.join(), '2,2', 'shape');
    const second = await program.run({ x: y }, { fetch: ['y'] });
    close(second.fetched.y, [Math.E, Math.E, Math.E, Math.E]);
    close(await y.read(), [1, 1, 1, 1]);
    const reading = y.read();
    y.release();
    close(await reading, [1, 1, 1, 1]);
    await rejects(y.read(), /after its release/);
    await rejects(program.run({ x: y }), /input 'x' is a resident tensor that was released/);
    program.release();
  },

  async 'fetches and keeps the same output'(runtime) {
    const program = await runtime.compile(exponentialModel());
    const { fetched, kept } = await program.run({ x: tensor2x2(0, 0, 0, 0) }, { keep: ['y'], fetch: ['y'] });
    close(fetched.y, [1, 1, 1, 1]);
    close(await kept.y!.read(), [1, 1, 1, 1]);
    kept.y!.release();
    program.release();
  },

  async 'uploads tensors of every type'(runtime) {
    const tensors: HostTensor[] = [
      { dtype: 'float32', shape: [3], data: Float32Array.of(1.5, -2, 3) },
      { dtype: 'float64', shape: [3], data: Float64Array.of(1.5, -2, 3) },
      { dtype: 'int32', shape: [3, 1], data: Int32Array.of(1, -2, 3) },
      { dtype: 'int64', shape: [1, 3], data: BigInt64Array.of(1n, 2n, 3n) },
      { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) },
      { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 0, 255) },
      { dtype: 'int8', shape: [3], data: Int8Array.of(1, 0, -128) },
    ];
    for (const tensor of tensors) {
      const resident = await runtime.upload(tensor);
      equal(tensor.data.length, 3, 'length after the upload');
      const back = await resident.read();
      equal(back.dtype, tensor.dtype, 'type');
      equal(back.shape.join(), tensor.shape.join(), `shape of ${tensor.dtype}`);
      equal(back.data.join(), tensor.data.join(), tensor.dtype);
      resident.release();
    }
  },

  async 'runs two programs side by side'(runtime) {
    const exponential = await runtime.compile(exponentialModel());
    const product = await runtime.compile(productModel());
    const [a, b] = await Promise.all([
      exponential.run({ x: tensor2x2(0, 0, 0, 0) }, { fetch: ['doubled'] }),
      product.run({ a: tensor2x2(1, 2, 3, 4), b: tensor2x2(0, 1, 1, 0) }),
    ]);
    close(a.fetched.doubled, [2, 2, 2, 2]);
    close(b.fetched.product, [2, 1, 4, 3]);
    exponential.release();
    product.release();
  },

  async 'shares a compiled program between its users until the last one releases it'(runtime) {
    const one = await runtime.compile(exponentialModel());
    const two = await runtime.compile(exponentialModel());
    one.release();
    one.release();
    await rejects(one.run({ x: tensor2x2(0, 0, 0, 0) }), /released/);
    close((await two.run({ x: tensor2x2(0, 0, 0, 0) })).fetched.y, [1, 1, 1, 1]);
    two.release();
    const three = await runtime.compile(exponentialModel());
    close((await three.run({ x: tensor2x2(0, 0, 0, 0) })).fetched.y, [1, 1, 1, 1]);
    three.release();
  },

  async 'names the program and what is wrong'(runtime) {
    const truncated = exponentialModel().subarray(0, 40);
    await rejects(runtime.compile(truncated, { label: 'the loss' }), /^the loss: .*protobuf/);
    const program = await runtime.compile(exponentialModel(), { label: 'gradient' });
    const x = tensor2x2(0, 0, 0, 0);
    await rejects(program.run({}), /^gradient: input 'x' was not fed$/);
    await rejects(program.run({ x, z: x }), /^gradient: there is no input 'z' \(inputs: x\)$/);
    await rejects(program.run({ x }, { fetch: ['q'] }), /^gradient: there is no output 'q' \(outputs: y, doubled\)$/);
    await rejects(program.run({ x: { ...x, shape: [3, 2] } }), /^gradient: /);
    close((await program.run({ x })).fetched.y, [1, 1, 1, 1]);
    program.release();
  },
};

function equal<T>(found: T, expected: T, what: string): void {
  if (found !== expected) throw new Error(`${what}: ${found}, expected ${expected}`);
}

function close(tensor: HostTensor | undefined, expected: readonly number[]): void {
  if (tensor === undefined) throw new Error('an output is missing');
  const found = Array.from(tensor.data as ArrayLike<number>, Number);
  const near = (value: number, i: number) => Math.abs(value - expected[i]!) <= 1e-5 * Math.abs(expected[i]!);
  if (found.length !== expected.length || !found.every(near))
    throw new Error(`found [${found}], expected [${expected}]`);
}

async function rejects(work: Promise<unknown>, pattern: RegExp): Promise<void> {
  const message = await work.then(
    () => 'nothing was thrown',
    (error) => String(error.message),
  );
  if (!pattern.test(message)) throw new Error(`the message "${message}" does not match ${pattern}`);
}
