import type { DataType, Tensor } from './graph.ts';

/** A value inside a specialised graph: its name, type and static shape, and its content where that is known. */
export interface Value {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** Set when the value is a constant; never for a parameter that is being differentiated or fed at run time. */
  readonly constant?: Tensor;
}

/** Type and static shape alone: what shape inference returns. */
export interface ValueType {
  readonly dtype: DataType;
  readonly shape: readonly number[];
}
