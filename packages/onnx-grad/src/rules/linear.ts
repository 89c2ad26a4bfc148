/** @file Gradients of matrix products. */
import { sizeOf } from '../graph.ts';
import { type GemmAttributes, matrixProduct } from '../operators/linear.ts';
import { Einsum } from './einsum.ts';
import type { Rule } from './rule.ts';

/**
 * dA = dY·Bᵀ and dB = Aᵀ·dY, summed over the batch axes that were broadcast. A right operand that is one matrix is the
 * dense layer of transformers: its products are a single Gemm, which reads an operand transposed at no cost.
 */
const MatMul: Rule = ({ g, inputs: [a, b], dy }) => {
  const product = matrixProduct(a!.shape, b!.shape, 'MatMul');
  const { batch, rows, inner, columns } = product;
  const cotangent = () => g.reshape(dy, [...batch, rows, columns]);
  if (product.b.length === 2) {
    const height = sizeOf(batch) * rows;
    const flat = () => g.reshape(dy, [height, columns]);
    return [
      () => g.reshape(g.op('Gemm', [flat(), g.reshape(b!, product.b)], { transB: 1 }), a!.shape),
      () => g.reshape(g.op('Gemm', [g.reshape(a!, [height, inner]), flat()], { transA: 1 }), b!.shape),
    ];
  }
  return [
    () => g.reshape(g.sumTo(g.matmul(cotangent(), g.matrixTranspose(b!)), product.a), a!.shape),
    () => g.reshape(g.sumTo(g.matmul(g.matrixTranspose(g.reshape(a!, product.a)), cotangent()), product.b), b!.shape),
  ];
};

/** Y = α·A′·B′ + β·C, where ′ is an optional transpose; every gradient is one Gemm. */
const Gemm: Rule = ({ g, inputs: [a, b, c], attributes, dy }) => {
  const { alpha, beta, transA, transB } = attributes as GemmAttributes;
  return [
    () =>
      transA
        ? g.op('Gemm', [b!, dy], { alpha, transA: transB, transB: 1 })
        : g.op('Gemm', [dy, b!], { alpha, transB: transB ? 0 : 1 }),
    () =>
      transB
        ? g.op('Gemm', [dy, a!], { alpha, transA: 1, transB: transA })
        : g.op('Gemm', [a!, dy], { alpha, transA: transA ? 0 : 1 }),
    () => g.scale(g.sumTo(dy, c!.shape), beta),
  ];
};

export const linear: Record<string, Rule> = { MatMul, Gemm, Einsum };
