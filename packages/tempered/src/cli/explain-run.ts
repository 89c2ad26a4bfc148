/** @file What `tempered explain` runs: every model, clean and attacked images, every method. */
import { basename } from 'node:path';
import { type Attack, perturb } from '../attacks/attack.ts';
import { attribute } from '../attribution/attribute.ts';
import type { Explained as ExplainedOutput } from '../attribution/explained.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import { argmaxRows, predictLogits, softmaxRows } from '../models/predict.ts';
import { checkLabels } from '../optimize/optimize-input.ts';
import type { ShownCondition } from '../report/attribution-figure.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { type InputOptions, type Inputs, readInputs } from './explain-inputs.ts';
import type { ChosenMethod, MakeMethods } from './explain-methods.ts';
import type { Explained } from './explain-result.ts';
import { type ModelOptions, readingOptions } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface RunOptions extends ModelOptions, InputOptions {
  target?: number;
  of: Extract<ExplainedOutput, string>;
  layer?: string;
}

export interface ChosenAttack {
  /** As it was written. */
  readonly text: string;
  readonly attack: Attack;
  readonly epsilon?: number;
}

export interface ExplainedModel {
  readonly path: string;
  readonly name: string;
  /** Clean, and attacked. */
  readonly conditions: readonly (ShownCondition & { readonly explained: readonly Explained['attribution'][] })[];
}

export interface ExplainRun {
  readonly methods: readonly ChosenMethod[];
  readonly inputs: Inputs;
  readonly targets: Int32Array;
  readonly models: readonly ExplainedModel[];
}

/** Explains the images by every model and method. */
export async function explainAll(
  runtime: Runtime,
  paths: readonly string[],
  { makeMethods, attack }: { makeMethods: MakeMethods; attack: ChosenAttack | undefined },
  options: RunOptions,
  terminal: Terminal,
): Promise<ExplainRun> {
  const classifiers: Classifier[] = [];
  for (const path of paths) classifiers.push(await loadClassifier(path, { ...readingOptions(options), runtime }));
  const inputs = await readInputs(classifiers, options, terminal);
  const methods = makeMethods(inputs.background);
  const { images, labels } = inputs;
  const [first] = classifiers;
  const { target } = options;
  if (target !== undefined) checkLabels(first!, [target]);
  const count = images.shape[0]!;
  const targets =
    target === undefined
      ? (labels ?? argmaxRows(await predictLogits(first!, images, { signal: terminal.signal })))
      : new Int32Array(count).fill(target);
  const names = namesOf(paths);
  const models: ExplainedModel[] = [];
  for (const [i, classifier] of classifiers.entries()) {
    const conditions = [
      await explainImages(classifier, images, { methods, inputs, targets, name: names[i]! }, options, terminal),
    ];
    if (attack !== undefined) {
      const adversarial = await attacked(classifier, attack, inputs, options, terminal);
      const task = { methods, inputs, targets, name: `${names[i]!}, attacked` };
      conditions.push(await explainImages(classifier, adversarial, task, options, terminal));
    }
    models.push({ path: paths[i]!, name: names[i]!, conditions });
    await classifier.release();
  }
  return { methods, inputs, targets, models };
}

async function attacked(
  classifier: Classifier,
  { attack, epsilon }: ChosenAttack,
  { images, labels, imageNumbers }: Inputs,
  { seed }: RunOptions,
  { signal, onProgress }: Terminal,
): Promise<Tensor> {
  const natural = labels ?? argmaxRows(await predictLogits(classifier, images, { signal }));
  const task = { images, labels: natural, epsilon, seed, imageNumbers, signal, onProgress };
  return (await perturb(classifier, attack, task)).adversarial;
}

async function explainImages(
  classifier: Classifier,
  images: Tensor,
  {
    methods,
    inputs,
    targets,
    name,
  }: { methods: readonly ChosenMethod[]; inputs: Inputs; targets: Int32Array; name: string },
  { of, layer, seed }: RunOptions,
  { signal, onProgress }: Terminal,
): Promise<ExplainedModel['conditions'][number]> {
  const logits = await predictLogits(classifier, images, { signal });
  const [predicted, probabilities] = [argmaxRows(logits), softmaxRows(logits)];
  const explained: Explained['attribution'][] = [];
  for (const { method, text } of methods) {
    explained.push(
      await attribute(classifier, {
        ...{ images, method, target: targets, of, layer, seed, imageNumbers: inputs.imageNumbers, signal },
        onProgress: (progress) => onProgress({ ...progress, stage: `${name}, ${text}` }),
      }),
    );
  }
  return {
    images,
    predictions: Array.from(predicted, (k, i) => ({
      label: inputs.classes[k]!,
      probability: probabilities.data[i * inputs.classes.length + k]!,
    })),
    maps: explained.map(({ attributions }) => attributions),
    explained,
  };
}

/** Names of files without their ending; those of two files that share it get numbers. */
function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path, '.onnx'));
  return names.map((name, i) => {
    const place = names.slice(0, i + 1).filter((each) => each === name).length;
    return names.filter((each) => each === name).length > 1 ? `${name}-${place}` : name;
  });
}
