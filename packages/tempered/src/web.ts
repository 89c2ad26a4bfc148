/** @file What Tempered offers in browsers only. */
export { createWebRuntime, type WebRuntimeOptions } from './runtime/web/web-runtime.ts';
