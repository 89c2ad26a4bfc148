/** @file The caller's side of a runtime: sends each call to the worker that owns the sessions. */
import { DeviceError } from '../errors.ts';
import { describeEngineError } from './engine-error.ts';
import type { Calls, Feed, Method, OpenArguments, Request, ResidentHandle, Response } from './protocol.ts';
import type { ElementType, HostTensor, Program, ResidentTensor, RunOptions, RunResult, Runtime } from './runtime.ts';
import { smallModel } from './small-model.ts';

/** A worker, whatever the platform calls it. */
export interface Channel {
  post(request: Request, transfer: ArrayBuffer[]): void;
  /** Tells whether calls are under way: only then may the worker keep the process alive. */
  setBusy(busy: boolean): void;
  terminate(): Promise<void>;
}

export interface ChannelEvents {
  onResponse(response: Response): void;
  /** The worker died; nothing more will come. */
  onDeath(reason: string): void;
}

interface PendingCall {
  resolve(result: Calls[Method]['result']): void;
  reject(error: Error): void;
}

interface CompiledModel {
  readonly handle: Promise<Calls['compile']['result']>;
  users: number;
}

/** Starts an engine behind `connect` and waits until it is ready. Throws DeviceError when the device is not there. */
export async function createRemoteRuntime(
  connect: (events: ChannelEvents) => Channel,
  options: OpenArguments,
): Promise<Runtime> {
  const pending = new Map<number, PendingCall>();
  const compiled = new Map<string, CompiledModel>();
  const residents = new WeakMap<ResidentTensor, number>();
  let counter = 0;
  /** Why calls are refused; undefined while the worker lives. */
  let ended: string | undefined;

  const settle = (id: number): PendingCall | undefined => {
    const call = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) channel.setBusy(false);
    return call;
  };
  const channel = connect({
    onResponse(response) {
      const call = settle(response.id);
      if ('error' in response) call?.reject(new DeviceError(describeEngineError(response.error)));
      else call?.resolve(response.result);
    },
    onDeath(reason) {
      ended ??= `the ${options.device} engine stopped: ${describeEngineError(reason)}`;
      const calls = [...pending.values()];
      pending.clear();
      for (const call of calls) call.reject(new DeviceError(ended));
    },
  });

  const call = <M extends Method>(
    method: M,
    args: Calls[M]['arguments'],
    transfer: ArrayBuffer[] = [],
  ): Promise<Calls[M]['result']> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(new DeviceError(ended));
        return;
      }
      counter += 1;
      // The worker answers each id with the result of its own method, which the types of a Map cannot tell.
      pending.set(counter, { resolve: resolve as PendingCall['resolve'], reject });
      channel.setBusy(true);
      channel.post({ id: counter, method, arguments: args } as Request, transfer);
    });

  const labelled = async <T>(label: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw error instanceof DeviceError ? new DeviceError(`${label}: ${error.message}`) : error;
    }
  };

  const compileCopy = (model: Uint8Array): Promise<Calls['compile']['result']> => {
    const copy = model.slice();
    return call('compile', { model: copy }, [copy.buffer]);
  };

  /** One Identity program for each element type, kept until the runtime closes. */
  const identities = new Map<ElementType, Promise<Calls['compile']['result']>>();
  const runIdentity = async (dtype: ElementType, x: Feed, stays: boolean, transfer: ArrayBuffer[] = []) => {
    const identity = identities.get(dtype) ?? compileCopy(identityModel(dtype));
    identities.set(dtype, identity);
    const { program } = await identity;
    const names = ['y'];
    const feeds = { x };
    return call('run', { program, feeds, fetch: stays ? [] : names, keep: stays ? names : [] }, transfer);
  };

  const keep = ({ tensor, onGpu, dtype, shape }: ResidentHandle): ResidentTensor => {
    const fetchCopy = async (): Promise<HostTensor> => {
      if (!onGpu) return call('read', { tensor });
      const { fetched } = await runIdentity(dtype, { tensor }, false);
      return fetched.y!;
    };
    let lastRead: Promise<unknown> = Promise.resolve();
    const resident: ResidentTensor = {
      resident: true,
      dtype,
      shape,
      async read() {
        if (!residents.has(resident)) throw new DeviceError('a resident tensor was read after its release');
        const reading = fetchCopy();
        lastRead = Promise.allSettled([lastRead, reading]);
        return reading;
      },
      release() {
        if (!residents.delete(resident)) return;
        lastRead.then(() => (ended === undefined ? call('releaseTensor', { tensor }) : null)).catch(ignoreDeath);
      },
    };
    residents.set(resident, tensor);
    return resident;
  };

  const toFeed = (name: string, feed: HostTensor | ResidentTensor, transfer: ArrayBuffer[]): Feed => {
    if (!('resident' in feed)) return copyTensor(feed, transfer);
    const tensor = residents.get(feed);
    if (tensor === undefined) {
      throw new DeviceError(`input '${name}' is a resident tensor that was released, or that another runtime holds`);
    }
    return { tensor };
  };

  const compileOnce = async (model: Uint8Array): Promise<{ key: string; entry: CompiledModel }> => {
    const key = await contentHash(model);
    let entry = compiled.get(key);
    if (entry === undefined) {
      entry = { handle: compileCopy(model), users: 0 };
      compiled.set(key, entry);
    }
    entry.users += 1;
    return { key, entry };
  };

  const leave = (key: string, entry: CompiledModel): void => {
    entry.users -= 1;
    if (entry.users > 0) return;
    compiled.delete(key);
    if (ended !== undefined) return;
    entry.handle.then(({ program }) => call('releaseProgram', { program })).catch(ignoreDeath);
  };

  const open = async () => {
    const opened = await call('open', options);
    // Some look for the GPU or load their code only now; what is not there should fail here, not at the first use.
    if (options.device !== 'cpu') await runIdentity('float32', PROBE, false);
    return opened;
  };
  const { description, gpuTypes } = await open().catch(async (error) => {
    ended = 'the engine did not start';
    await channel.terminate();
    throw error;
  });

  return {
    device: options.device,
    description,

    async compile(model, { label = 'program' } = {}): Promise<Program> {
      const { key, entry } = await compileOnce(model);
      const { program, inputNames, outputNames } = await labelled(label, entry.handle).catch((error) => {
        leave(key, entry);
        throw error;
      });
      let released = false;

      const run = async (feeds: Parameters<Program['run']>[0], options: RunOptions = {}): Promise<RunResult> => {
        if (released) throw new DeviceError('the program was released before its use');
        const { keep: keepNames = [], fetch = outputNames.filter((name) => !keepNames.includes(name)) } = options;
        checkNames(inputNames, Object.keys(feeds), [...fetch, ...keepNames], outputNames);
        const transfer: ArrayBuffer[] = [];
        const sent = Object.fromEntries(inputNames.map((name) => [name, toFeed(name, feeds[name]!, transfer)]));
        const only = fetch.filter((name) => !keepNames.includes(name));
        const result = await call('run', { program, feeds: sent, fetch: only, keep: keepNames }, transfer);
        const kept = Object.fromEntries(Object.entries(result.kept).map(([name, handle]) => [name, keep(handle)]));
        const both = fetch.filter((name) => name in kept);
        const copies = await Promise.all(both.map(async (name) => [name, await kept[name]!.read()] as const));
        return { fetched: { ...result.fetched, ...Object.fromEntries(copies) }, kept };
      };

      return {
        inputNames,
        outputNames,
        run: (feeds, options) => labelled(label, run(feeds, options)),
        release() {
          if (released) return;
          released = true;
          leave(key, entry);
        },
      };
    },

    async upload(tensor) {
      const transfer: ArrayBuffer[] = [];
      const copy = copyTensor(tensor, transfer);
      if (!gpuTypes.includes(tensor.dtype)) return keep(await call('upload', { tensor: copy }, transfer));
      const { kept } = await runIdentity(tensor.dtype, copy, true, transfer);
      return keep(kept.y!);
    },

    async close() {
      if (ended !== undefined) return;
      const closing = call('close', null);
      ended = 'the runtime is closed';
      compiled.clear();
      await closing.catch(ignoreDeath);
      await channel.terminate();
    },
  };
}

/** Hands its input of any shape through: the way to and from GPU memory that every platform has. */
const identityModel = (dtype: ElementType): Uint8Array =>
  smallModel({
    inputs: { x: { dtype } },
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    outputs: { y: dtype },
  });

const PROBE: HostTensor = { dtype: 'float32', shape: [1], data: new Float32Array(1) };

/** A release that meets a dead worker has nothing left to release. */
function ignoreDeath(error: unknown): void {
  if (!(error instanceof DeviceError)) throw error;
}

/** Copies exactly the tensor's own elements (its array may be a view of a larger buffer) and gives the copy away. */
function copyTensor({ dtype, shape, data }: HostTensor, transfer: ArrayBuffer[]): HostTensor {
  const copy = data.slice();
  transfer.push(copy.buffer);
  return { dtype, shape: [...shape], data: copy };
}

function checkNames(
  inputNames: readonly string[],
  fed: readonly string[],
  asked: readonly string[],
  outputNames: readonly string[],
): void {
  const missing = inputNames.find((name) => !fed.includes(name));
  if (missing !== undefined) throw new DeviceError(`input '${missing}' was not fed`);
  const unknown = fed.find((name) => !inputNames.includes(name));
  if (unknown !== undefined) throw new DeviceError(`there is no input '${unknown}' (inputs: ${inputNames.join(', ')})`);
  const absent = asked.find((name) => !outputNames.includes(name));
  if (absent !== undefined)
    throw new DeviceError(`there is no output '${absent}' (outputs: ${outputNames.join(', ')})`);
}

let unhashed = 0;

/** SHA-256 of the bytes. Pages without a secure context have no hash: there, every compilation is one of its own. */
async function contentHash(bytes: Uint8Array): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    unhashed += 1;
    return `unhashed ${unhashed}`;
  }
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
