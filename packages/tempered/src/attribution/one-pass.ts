/** @file Methods that are one program: each image of a batch gets its attributions in one run. */
import type { Value } from 'onnx-grad';
import { chunks, feed, floats, padRows } from '../models/batching.ts';
import type { ClassifierProgram, ProgramContext } from '../models/classifier.ts';
import { rows, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { type Explained, keyOfExplained } from './explained.ts';
import type { Certificate, Explanation, Task } from './explanation.ts';
import { checkPerImage, withLayersChecked } from './layer.ts';

export interface OnePass {
  /** What progress is reported as. */
  readonly name: string;
  /** Everything of the method that changes its program: equal keys mean equal programs. */
  readonly key: string;
  /** Passes through the network that the program takes for an image. */
  readonly passes: { readonly forwards: number; readonly backwards: number };
  /** Further inputs of the program, one row an image: baselines. Must not depend on how images are batched. */
  feeds?(task: Task): Readonly<Record<string, Tensor>>;
  write(context: PassContext): Written;
  /** From what was written beside the attributions. */
  certify?(outputs: Readonly<Record<string, Tensor>>, attributions: Tensor): Certificate;
  /** The layer looked at, where the method chose it. */
  readonly layer?: string;
}

export interface PassContext extends ProgramContext {
  /** Images [batch, ...input shape]. */
  readonly x: Value;
  /** Rows of `Task.targetRows`, [batch, K]. */
  readonly target: Value;
  readonly of: Explained;
  readonly layer: string | undefined;
  /** What `feeds` gave, by name. */
  readonly fed: Readonly<Record<string, Value>>;
}

export interface Written {
  /** [batch, ...]. */
  readonly attributions: Value;
  /** What is explained, [batch]. */
  readonly output: Value;
  /** At the baseline, [batch]. */
  readonly baseOutput?: Value;
  /** For the certificate, each [batch, ...]. */
  readonly others?: Readonly<Record<string, Value>>;
}

/** Runs a one-pass method on all images of a task. */
export async function explainInOnePass(task: Task, pass: OnePass): Promise<Explanation> {
  const { images, targetRows, of, layer } = task;
  const feeds = { x: images, target: targetRows, ...pass.feeds?.(task) };
  const results = await mapImages(task, {
    key: `${pass.key} of ${keyOfExplained(of)}${layer === undefined ? '' : ` at ${layer}`}`,
    stage: pass.name,
    passes: pass.passes,
    feeds,
    write: (context, inputs) => {
      const { x, target, ...fed } = inputs;
      const written = pass.write({ ...context, x: x!, target: target!, of, layer, fed });
      return {
        attributions: written.attributions,
        output: written.output,
        ...(written.baseOutput && { baseOutput: written.baseOutput }),
        ...Object.fromEntries(Object.entries(written.others ?? {}).map(([name, value]) => [`other/${name}`, value])),
      };
    },
  });
  const others = Object.entries(results).flatMap(([name, tensor]) =>
    name.startsWith('other/') ? [[name.slice('other/'.length), tensor] as const] : [],
  );
  const { attributions, output, baseOutput } = results;
  const explanation = {
    attributions: attributions!,
    output: output!.data,
    ...(baseOutput && { baseOutput: baseOutput.data }),
    ...(pass.layer !== undefined && { layer: pass.layer }),
  };
  const certificate = pass.certify?.(
    { ...Object.fromEntries(others), output: output!, ...(baseOutput && { baseOutput }) },
    explanation.attributions,
  );
  return { ...explanation, ...(certificate && { certificate }) };
}

export interface ImageMapping {
  /** Names the program: equal keys mean equal programs. */
  key: string;
  /** What progress is reported as. Default: it is not reported. */
  stage?: string;
  passes: { readonly forwards: number; readonly backwards: number };
  /** One row an image each; every one becomes an input of the program by its name. */
  feeds: Readonly<Record<string, Tensor>>;
  /** Returns outputs whose first axis is the batch. */
  write(context: ProgramContext, inputs: Readonly<Record<string, Value>>): Readonly<Record<string, Value>>;
}

/** Runs a program on rows of inputs, a batch at a time, and joins what comes out. */
export async function mapImages(task: Task, mapping: ImageMapping): Promise<Record<string, Tensor>> {
  const { classifier, batchSize, signal, onProgress, cost } = task;
  const { key, stage, passes, feeds, write } = mapping;
  const inputs = Object.entries(feeds);
  const count = inputs[0]![1].shape[0]!;
  const plan = chunks(count, batchSize, classifier.description);
  const program: ClassifierProgram = await classifier.program(`attribution ${key}`, plan.batch, (context) => {
    const { g, batch } = context;
    const values = inputs.map(
      ([name, { shape }]) => [name, g.input(name, 'float32', [batch, ...shape.slice(1)])] as const,
    );
    for (const [name, value] of Object.entries(write(withLayersChecked(context), Object.fromEntries(values)))) {
      checkPerImage(value, batch, task.layer);
      g.output(value, `out/${name}`);
    }
  });
  const results: Record<string, Tensor> = {};
  for (const chunk of plan.chunks) {
    signal?.throwIfAborted();
    const used = chunk.end - chunk.start;
    const fed = inputs.map(([name, tensor]) => [name, feed(padRows(tensor, chunk, plan.batch))] as const);
    const { fetched } = await program.run(
      Object.fromEntries(fed.filter(([name]) => program.inputNames.includes(name))),
    );
    for (const [output, value] of Object.entries(fetched)) {
      const name = output.slice('out/'.length);
      const part = { shape: value.shape, data: floats(value) };
      results[name] ??= zeros([count, ...value.shape.slice(1)]);
      results[name].data.set(rows(part, 0, used).data, chunk.start * sizeOf(value.shape.slice(1)));
    }
    cost.forwards += used * passes.forwards;
    cost.backwards += used * passes.backwards;
    if (stage !== undefined) onProgress?.({ stage, done: chunk.end, total: count });
  }
  return results;
}
