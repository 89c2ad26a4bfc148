import { UsageError } from '../errors.ts';

/** One channel of a layer, or one element of it. */
export interface Unit {
  /** Name of a value in the ONNX file. */
  readonly layer: string;
  readonly channel: number;
  /** Row and column; all positions when left out. */
  readonly position?: readonly number[];
}

/**
 * Reads `layer:channel` or `layer:channel:y:x`.
 *
 * @throws UsageError for anything else
 * @example
 * parseUnit('/layer4/Relu_output_0:12:3:3'); // { layer: '/layer4/Relu_output_0', channel: 12, position: [3, 3] }
 */
export function parseUnit(text: string): Unit {
  const match = /^(.+?):(\d+)(?::(\d+):(\d+))?$/.exec(text);
  if (match === null)
    throw new UsageError(`'${text}' names no unit: write layer:channel or layer:channel:y:x, with numbers from 0`);
  const [, layer, channel, y, x] = match;
  return {
    layer: layer!,
    channel: Number(channel),
    ...(y !== undefined && { position: [Number(y), Number(x)] }),
  };
}
