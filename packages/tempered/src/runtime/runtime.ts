/** @file What the rest of Tempered asks of an engine: compile a graph once, run it many times, keep tensors beside it. */

export type ElementType = 'float32' | 'float64' | 'int32' | 'int64' | 'bool' | 'uint8' | 'int8';

export type ElementData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;

/** A tensor that crosses the engine's border, on the caller's side. */
export interface HostTensor {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: ElementData;
}

/** A tensor that stays with the engine (worker heap or GPU memory) between runs. Release it when done. */
export interface ResidentTensor {
  readonly resident: true;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  read(): Promise<HostTensor>;
  release(): void;
}

export interface RunOptions {
  /** Outputs to bring back. Default: every output that is not kept. */
  fetch?: readonly string[];
  /** Outputs to leave with the engine. Default: none. */
  keep?: readonly string[];
}

export interface RunResult {
  readonly fetched: Readonly<Record<string, HostTensor>>;
  readonly kept: Readonly<Record<string, ResidentTensor>>;
}

/** A compiled graph. */
export interface Program {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Feeds are copied, never taken: the caller's arrays stay usable. */
  run(feeds: Readonly<Record<string, HostTensor | ResidentTensor>>, options?: RunOptions): Promise<RunResult>;
  release(): void;
}

export interface CompileOptions {
  /** Shown in errors. */
  label?: string;
}

export type DeviceName = 'cpu' | 'wasm' | 'webgpu';

/** One engine on one device. Sessions never run on the thread that calls. */
export interface Runtime {
  readonly device: DeviceName;
  /** Human-readable: "onnxruntime-node 1.30.0, CPU, 2 threads". */
  readonly description: string;
  /** Compiles a serialised ONNX model, or returns the program compiled from the same bytes before (content hash). */
  compile(model: Uint8Array, options?: CompileOptions): Promise<Program>;
  /** Places a tensor with the engine. */
  upload(tensor: HostTensor): Promise<ResidentTensor>;
  /** Releases every program and resident tensor. */
  close(): Promise<void>;
}
