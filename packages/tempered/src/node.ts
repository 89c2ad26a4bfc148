/** @file What Tempered offers in Node only. */
export { createNodeRuntime, type NodeRuntimeOptions } from './runtime/node/node-runtime.ts';
