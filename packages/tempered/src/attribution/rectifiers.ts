/** @file Backward passes that treat rectifiers in their own way: guided backpropagation and the deconvnet. */
import { derivativeAt, type GraphBuilder, type Node, type Rule } from 'onnx-grad';

/** Activations that are 0 below some input, or less steep there, and not curved. */
const RECTIFIERS: ReadonlySet<string> = new Set(['Relu', 'LeakyRelu', 'PRelu', 'ThresholdedRelu']);

/** Layers with weights; a Clip before the first of them is part of the image's preprocessing, and no activation. */
const WEIGHTED: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/**
 * Rules for `gradient` at every rectifier: Relu, LeakyRelu, PRelu, ThresholdedRelu, and Clip from 0 (ReLU6). Of what
 * comes back to it only what is positive goes on: times the derivative (`guided`), or as it is (`deconvnet`). All other
 * activations keep their derivative: the papers have rectifiers only.
 */
export function rectifierRules(g: GraphBuilder, kind: 'guided' | 'deconvnet'): (node: Node) => Rule | undefined {
  return (node) => {
    if (!RECTIFIERS.has(node.op) && !isClipFromZero(g, node)) return undefined;
    if (kind === 'deconvnet') return ({ dy }) => [() => g.relu(dy)];
    const derivative = derivativeAt(node);
    return (
      derivative &&
      ((context) => {
        const dy = g.relu(context.dy);
        return derivative({ ...context, dy, dys: [dy] });
      })
    );
  };
}

function isClipFromZero(g: GraphBuilder, { op, inputs }: Node): boolean {
  const [from, low] = inputs;
  if (op !== 'Clip' || !low || g.value(low).constant?.data[0] !== 0) return false;
  return isBehindWeights(g, from!);
}

function isBehindWeights(g: GraphBuilder, name: string, seen = new Set<string>()): boolean {
  if (seen.has(name)) return false;
  seen.add(name);
  const node = g.producer(g.value(name));
  if (node === undefined) return false;
  return WEIGHTED.has(node.op) || node.inputs.some((input) => input !== '' && isBehindWeights(g, input, seen));
}
