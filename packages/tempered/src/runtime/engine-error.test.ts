import { expect, it } from 'vitest';
import { describeEngineError } from './engine-error.ts';

it.each([
  [
    "Can't create a session. ERROR_CODE: 7, ERROR_MESSAGE: Failed to load model because protobuf parsing failed.",
    'Failed to load model because protobuf parsing failed',
  ],
  [
    "Non-zero status code returned while running MatMul node. Name:'MatMul_0' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/matmul_helper.h:163 onnxruntime::common::Status onnxruntime::MatMulComputeHelper::Compute(const onnxruntime::TensorShape&, const onnxruntime::TensorShape&, bool, bool, bool, bool) right_num_dims == left_num_dims was false. MatMul dimension mismatch\n",
    "MatMul node 'MatMul_0': MatMul dimension mismatch",
  ],
  [
    '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n',
    'Failed to get a WebGPU adapter: No supported adapters',
  ],
  ["Tensor's size(6) does not match data length(4).", "Tensor's size(6) does not match data length(4)"],
])('keeps the sentence that matters: %#', (message, sentence) => {
  expect(describeEngineError(message)).toBe(sentence);
});
