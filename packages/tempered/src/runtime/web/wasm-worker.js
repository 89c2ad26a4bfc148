/** @file The worker that owns ONNX Runtime's WebAssembly sessions. A file of its own, to load no GPU code. */
import * as ort from 'onnxruntime-web/wasm';
import { serveWeb } from './serve-web.js';

serveWeb(ort, 'wasm');
