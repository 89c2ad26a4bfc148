/** @file What the page and its worker say to each other. */
import type { Tensor } from 'tempered/web';

export type Device = 'wasm' | 'webgpu';

/** `name` is the file's, for messages. */
export type Request =
  | { kind: 'load'; model: Uint8Array; name: string; device: Device }
  | { kind: 'run'; image: Uint8Array; name: string; epsilon: number; steps: number };

export type Response =
  | { kind: 'loaded'; inputShape: readonly number[]; classes: readonly string[]; engine: string }
  | { kind: 'progress'; stage: string; done: number; total: number }
  | { kind: 'result'; result: Result }
  | { kind: 'error'; message: string };

/** A model's answer to one image, and what the answer rests on. */
export interface View {
  /** [1, C, H, W] in [0, 1]. */
  image: Tensor;
  /** [1, K] */
  logits: Tensor;
  prediction: number;
  /** Softmax of the predicted class. */
  probability: number;
  /** Integrated gradients of the logit of the class predicted for the natural image, [1, C, H, W]. */
  attribution: Tensor;
}

export interface Result {
  natural: View;
  adversarial: View;
  /** Largest change of a pixel value. */
  distance: number;
  success: boolean;
  seconds: number;
}
