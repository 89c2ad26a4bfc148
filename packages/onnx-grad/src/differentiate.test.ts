import { describe, expect, it } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { differentiate } from './differentiate.ts';
import { ShapeError } from './errors.ts';
import type { Graph } from './graph.ts';
import { runInOnnxRuntime } from './testing/onnxruntime.ts';

/** y = x³ of three numbers; `inner` is the name of the value x². */
function cube(inner = 'square'): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const square = g.rename(g.mul(x, x), inner);
  g.output(g.mul(square, x), 'y');
  return g.graph;
}

const float = (...data: number[]) => ({
  dtype: 'float32' as const,
  shape: [data.length],
  data: Float32Array.from(data),
});
const names = (values: readonly { name: string }[]) => values.map(({ name }) => name);

describe('differentiate', () => {
  it('can be applied to what it returned: the second derivative of x³ is 6x', async () => {
    const first = differentiate(cube());
    const second = differentiate(first, { of: 'x_grad', wrt: ['x'] });
    expect(names(second.inputs)).toEqual(['x', 'y_cotangent', 'x_grad_cotangent']);
    expect(names(second.outputs)).toEqual(['y', 'x_grad', 'x_grad_2']);
    const result = await runInOnnxRuntime(second, {
      x: float(1, -2, 0.5),
      y_cotangent: float(1, 1, 1),
      x_grad_cotangent: float(1, 1, 1),
    });
    expect(Array.from(result.x_grad!.data)).toEqual([3, 12, 0.75]);
    expect(Array.from(result.x_grad_2!.data)).toEqual([6, -12, 3]);
  });

  it('by the same output twice: the second cotangent has a number', () => {
    const twice = differentiate(differentiate(cube()), { of: 'y', wrt: ['x'] });
    expect(names(twice.inputs)).toEqual(['x', 'y_cotangent', 'y_cotangent_2']);
  });

  it.each(['x_grad', 'y_cotangent'])('renames an inner value called %s', async (inner) => {
    const graph = cube(inner);
    const result = differentiate(graph);
    expect(names(result.inputs)).toEqual(['x', 'y_cotangent']);
    expect(names(result.outputs)).toEqual(['y', 'x_grad']);
    expect(names(cube(inner).inputs)).toEqual(names(graph.inputs));
    const { x_grad } = await runInOnnxRuntime(result, { x: float(1, 2, 3), y_cotangent: float(1, 1, 1) });
    expect(Array.from(x_grad!.data)).toEqual([3, 12, 27]);
  });

  it('takes a name given twice once', () => {
    expect(names(differentiate(cube(), { wrt: ['x', 'x'] }).outputs)).toEqual(['y', 'x_grad']);
  });

  it('names the outputs there are', () => {
    expect(() => differentiate(cube(), { of: 'z' })).toThrow(ShapeError);
    expect(() => differentiate(cube(), { of: 'z' })).toThrow("has no output 'z'; it has 'y'");
  });
});
