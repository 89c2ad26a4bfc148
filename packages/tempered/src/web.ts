/** @file `tempered/web`: everything of `tempered`, and what needs a browser: its engine and its image decoder. */
export { decodeImageInBrowser } from './data/web/decode-image.ts';
export * from './index.ts';
export { createWebRuntime, type WebRuntimeOptions } from './runtime/web/web-runtime.ts';
