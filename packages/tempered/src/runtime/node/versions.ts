/** @file Node only. The versions that a manifest records. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Versions of Tempered, Node and ONNX Runtime. */
export function versions(): Record<string, string> {
  return {
    tempered: require('../../../package.json').version,
    node: process.version,
    'onnxruntime-node': require('onnxruntime-node/package.json').version,
  };
}
