import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operators } from '../../../onnx-grad/src/operators/index.ts';
import { createNodeRuntime } from './node/node-runtime.ts';
import { operatorCases } from './operator-cases/index.ts';
import { floats, on } from './operator-cases/operator-case.ts';
import type { Program, Runtime } from './runtime.ts';
import { difference, type SelfTestRow, selfTest, supportTable } from './self-test.ts';
import { useSoftwareVulkan } from './testing/software-vulkan.ts';

const noVulkan = useSoftwareVulkan();
if (noVulkan !== undefined) console.warn(`WebGPU in Node is not tested: ${noVulkan}`);

const notOk = (rows: readonly SelfTestRow[]) => rows.filter((row) => row.verdict !== 'ok');

describe('operator cases', () => {
  // Rules write through GraphBuilder, which refuses operators that are not in this table: so no rule emits any other.
  // Noise has no value to compare with, and StopGradient is written as Identity.
  it('cover every operator that a rule can emit', () => {
    const covered = new Set(operatorCases.map((operatorCase) => operatorCase.operator));
    const comparable = Object.keys(operators).filter((name) => operators[name]!.evaluate && name !== 'StopGradient');
    expect(comparable.filter((operator) => !covered.has(operator))).toEqual([]);
  });

  it('have different names', () => {
    const names = operatorCases.map(({ operator, name }) => `${operator}, ${name}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});

describe('self-test', () => {
  let cpu: Runtime;
  beforeAll(async () => {
    cpu = await createNodeRuntime({ threads: 1 });
  });
  afterAll(() => cpu.close());

  it('finds the CPU equal to itself', async () => {
    const rows = await selfTest({ reference: cpu, candidate: cpu });
    expect(notOk(rows)).toEqual([]);
    expect(rows).toHaveLength(operatorCases.length);
  });

  it.skipIf(noVulkan !== undefined)('finds nothing wrong with WebGPU', async () => {
    const webgpu = await createNodeRuntime({ device: 'webgpu' });
    // One case of each; the browser's tests and `tempered doctor` run them all.
    const cases = [...new Map(operatorCases.toReversed().map((entry) => [entry.operator, entry])).values()];
    const rows = await selfTest({ reference: cpu, candidate: webgpu, cases });
    await webgpu.close();
    expect(notOk(rows)).toEqual([]);
  });

  it.skipIf(noVulkan !== undefined)('tells what WebGPU leaves to the CPU', async () => {
    const candidate = await createNodeRuntime({ device: 'webgpu' });
    const strictCandidate = await createNodeRuntime({ device: 'webgpu', cpuFallback: false });
    const cases = [on('Relu', 'float', [floats([3])]), on('Sign', 'float', [floats([3])])];
    const rows = await selfTest({ reference: cpu, candidate, strictCandidate, cases });
    await Promise.all([candidate.close(), strictCandidate.close()]);
    expect(rows.map((row) => row.provider)).toEqual(['webgpu', 'cpu']);
    expect(supportTable(rows).map((row) => row.support)).toEqual(['yes', 'falls back to CPU']);
  });

  it('finds a wrong result and a refusal', async () => {
    const candidate = withFaults(cpu);
    const cases = [
      on('Relu', 'float', [floats([3])]),
      on('Exp', 'float', [floats([3])]),
      on('Tanh', 'float', [floats([3])]),
      on('Tanh', 'not an operator input', []),
    ];
    const rows = await selfTest({ reference: cpu, candidate, cases });
    expect(rows.map((row) => row.verdict)).toEqual(['ok', 'wrong', 'ok', 'error']);
    expect(rows[1]!.message).toBe('relative error 1.0e-2');
    expect(supportTable(rows).map(({ operator, support, exceptions }) => [operator, support, exceptions])).toEqual([
      ['Exp', 'wrong', ['float']],
      ['Relu', 'yes', []],
      ['Tanh', 'no', ['not an operator input']],
    ]);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(selfTest({ reference: cpu, candidate: cpu, signal })).rejects.toThrow('enough');
  });
});

describe('difference of outputs', () => {
  const y = (values: number[], shape = [values.length]) => ({
    y: { dtype: 'float32', shape, data: Float32Array.from(values) } as const,
  });
  it.each([
    ['equal', y([1, -0, NaN]), y([1, 0, NaN]), 0],
    ['off by a hundredth of the largest', y([1, 4]), y([1.04, 4]), 0.01],
    ['other shape', y([1, 2], [2, 1]), y([1, 2]), Infinity],
    ['NaN for a number', y([Number.NaN]), y([1]), Infinity],
    ['infinite instead of finite', y([Infinity]), y([1]), Infinity],
    ['missing', {}, y([1]), Infinity],
  ])('%s', (_, found, expected, error) => {
    expect(difference(found, expected).error).toBeCloseTo(error, 6);
  });
});

/** A runtime whose exponential is one hundredth too large. */
function withFaults(runtime: Runtime): Runtime {
  return {
    ...runtime,
    async compile(model, options): Promise<Program> {
      const program = await runtime.compile(model, options);
      if (!options?.label?.startsWith('Exp')) return program;
      return {
        ...program,
        async run(feeds, runOptions) {
          const { fetched, kept } = await program.run(feeds, runOptions);
          const { y0 } = fetched;
          const data = Float32Array.from(y0!.data as Float32Array, (value) => value * 1.01);
          return { fetched: { y0: { ...y0!, data } }, kept };
        },
      };
    },
  };
}
