/** @file The messages between a runtime and the worker that owns its ONNX Runtime sessions. */
import type { DeviceName, ElementType, HostTensor } from './runtime.ts';

export interface OpenArguments {
  readonly device: DeviceName;
  /** Threads inside one operator; the provider's default when left out. */
  readonly threads?: number;
  /** Whether a GPU may leave operators it lacks to the CPU (default); otherwise programs with such operators are refused. */
  readonly cpuFallback?: boolean;
  /** Where the browser finds ONNX Runtime's .wasm and .mjs files; ignored in Node. */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
}

/** A tensor that stays with the worker. */
export interface ResidentHandle {
  readonly tensor: number;
  /** Lies in GPU memory, where `read` does not reach: an Identity program brings it back. */
  readonly onGpu: boolean;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}

export type Feed = HostTensor | { readonly tensor: number };

/** Every call: what is sent and what comes back. */
export interface Calls {
  open: { arguments: OpenArguments; result: { description: string; gpuTypes: readonly ElementType[] } };
  compile: {
    arguments: { model: Uint8Array };
    result: { program: number; inputNames: readonly string[]; outputNames: readonly string[] };
  };
  /** `fetch` and `keep` name different outputs. */
  run: {
    arguments: {
      program: number;
      feeds: Readonly<Record<string, Feed>>;
      fetch: readonly string[];
      keep: readonly string[];
    };
    result: { fetched: Record<string, HostTensor>; kept: Record<string, ResidentHandle> };
  };
  upload: { arguments: { tensor: HostTensor }; result: ResidentHandle };
  read: { arguments: { tensor: number }; result: HostTensor };
  releaseTensor: { arguments: { tensor: number }; result: null };
  releaseProgram: { arguments: { program: number }; result: null };
  /** Releases everything; the worker may be terminated afterwards. */
  close: { arguments: null; result: null };
}

export type Method = keyof Calls;

export type Request = {
  [M in Method]: { readonly id: number; readonly method: M; readonly arguments: Calls[M]['arguments'] };
}[Method];

export type Response =
  | { readonly id: number; readonly result: Calls[Method]['result'] }
  | { readonly id: number; readonly error: string };
