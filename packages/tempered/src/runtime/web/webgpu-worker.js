/** @file The worker that owns ONNX Runtime's WebGPU sessions. The package's default entry is an older engine: not used. */
import * as ort from 'onnxruntime-web/webgpu';
import { serveWeb } from './serve-web.js';

serveWeb(ort, 'webgpu');
