/** @file Several attacks one after the other with a state that survives the process: long evaluations can be resumed. */
import { writeModel } from 'onnx-grad';
import { UsageError } from '../errors.ts';
import { floats } from '../models/batching.ts';
import type { Classifier } from '../models/classifier.ts';
import { predict } from '../models/predict.ts';
import { rows, sizeOf, type Tensor, takeRows } from '../tensor.ts';
import { type Attack, type PerturbOptions, perturb } from './attack.ts';

export interface Stage {
  /** As tables call it: `APGD-CE`. */
  readonly name: string;
  readonly attack: Attack;
}

/** How far the stages have come; plain JSON. */
export interface StagesState {
  /** What was asked for, so that a state is not continued with another question. */
  readonly question: string;
  /** Index of the stage under way; the number of stages when all are done. */
  readonly stage: number;
  /** Images that this stage has yet to attack, by position. */
  readonly pending: readonly number[];
  /** Images that this stage has attacked in vain. */
  readonly standing: readonly number[];
  readonly broken: readonly BrokenImage[];
  readonly work: readonly StageWork[];
}

export interface BrokenImage {
  readonly image: number;
  /** Index of the stage that broke it; −1 for images that are wrong unperturbed. */
  readonly stage: number;
  /** The adversarial image: float32, little-endian, in base64. */
  readonly pixels: string;
}

/** What one stage has spent. */
export interface StageWork {
  readonly forwards: number;
  readonly gradients: number;
}

export interface StagesOptions extends Omit<PerturbOptions, 'targets'> {
  /** Radius in pixel units of every image's ball, or one an image. */
  epsilon: number | ArrayLike<number>;
  /** Where to continue: what `onStage` was last given. */
  state?: StagesState;
  /** Images attacked between two states. Default 100. */
  block?: number;
  /** Called after each block with the state so far, to be stored. */
  onStage?: (state: StagesState) => void | Promise<void>;
}

export interface Staged {
  /** `[N, C, H, W]`: adversarial where an attack succeeded, unperturbed elsewhere. */
  readonly adversarial: Tensor;
  /** Index of the stage that broke each image, −1 where it is wrong unperturbed, the number of stages where it stands. */
  readonly brokenBy: Int32Array;
  /** One entry a stage: images that stand after it, and what it spent. */
  readonly stages: readonly (StageWork & { readonly name: string; readonly standing: number })[];
  readonly state: StagesState;
}

/**
 * Attacks images stage by stage, each on the images that stand, and hands out a state after every block. Without an
 * interruption, the result is that of `worstCase` on the images that are right unperturbed.
 *
 * @throws UsageError when a state belongs to another model or surrogate, other images, stages, radii or seeds
 * @example
 * const { stages } = autoAttackStages(autoAttack(), classifier.classes.length);
 * const state = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
 * const onStage = (state: StagesState) => writeFileSync(file, JSON.stringify(state));
 * const result = await attackInStages(classifier, stages, { images, labels, epsilon: 0.3, state, onStage });
 */
export async function attackInStages(
  classifier: Classifier,
  stages: readonly Stage[],
  { state: known, onStage, block = 100, ...options }: StagesOptions,
): Promise<Staged> {
  const question = await questionOf(classifier, stages, options);
  if (known !== undefined && known.question !== question)
    throw new UsageError('the state belongs to another evaluation: its model, images, attacks, radii or seed differ');
  let state = known ?? (await start(classifier, question, stages, options));
  while (state.stage < stages.length) {
    options.signal?.throwIfAborted();
    state = await attackBlock(classifier, stages, state, { ...options, block });
    await onStage?.(state);
  }
  return resultOf(stages, options.images, state);
}

type Asked = Omit<StagesOptions, 'state' | 'onStage' | 'block'>;

async function questionOf(
  classifier: Classifier,
  stages: readonly Stage[],
  { images, labels, epsilon, seed = 0, imageNumbers, surrogate }: Asked,
): Promise<string> {
  return JSON.stringify({
    model: await identityOf(classifier),
    surrogate: surrogate && (await identityOf(surrogate)),
    stages,
    images: [images.shape, checksum(images.data)],
    labels: checksum(labels),
    epsilon: typeof epsilon === 'number' ? epsilon : checksum(epsilon),
    seed,
    imageNumbers: imageNumbers && checksum(imageNumbers),
  });
}

/** A name alone would take the next checkpoint of a training, under the same name, for the same model. */
async function identityOf({ description, parameters }: Classifier) {
  const { name, graph, repair } = description;
  const trained: [string, number][] = [];
  for (const [parameter, tensor] of Object.entries(parameters))
    trained.push([parameter, checksum(floats(await tensor.read()))]);
  return { name, file: checksumOfBytes(writeModel(graph)), repair, trained };
}

const checksum = (numbers: ArrayLike<number>): number =>
  checksumOfBytes(new Uint8Array(Float64Array.from(numbers).buffer));

/** FNV-1a: tells mix-ups, not forgeries. */
function checksumOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

async function start(
  classifier: Classifier,
  question: string,
  stages: readonly Stage[],
  { images, labels, batchSize, imageNumbers, signal }: Asked,
): Promise<StagesState> {
  const predictions = await predict(classifier, images, { batchSize, imageNumbers, signal });
  const wrong = Array.from(predictions, (k, i) => k !== labels[i]);
  return settle({
    question,
    stage: 0,
    pending: [...wrong.keys()].filter((i) => !wrong[i]),
    standing: [],
    broken: [...wrong.keys()]
      .filter((i) => wrong[i])
      .map((image) => ({ image, stage: -1, pixels: encode(rows(images, image, image + 1).data) })),
    work: stages.map(() => ({ forwards: 0, gradients: 0 })),
  });
}

/** Goes to the next stage when one is through. */
function settle(state: StagesState): StagesState {
  if (state.pending.length > 0) return state;
  if (state.standing.length === 0) return { ...state, stage: state.work.length };
  return { ...state, stage: state.stage + 1, pending: state.standing, standing: [] };
}

async function attackBlock(
  classifier: Classifier,
  stages: readonly Stage[],
  state: StagesState,
  { images, labels, epsilon, imageNumbers, block, ...options }: Asked & { block: number },
): Promise<StagesState> {
  const members = state.pending.slice(0, block);
  const { adversarial, success, forwards, gradients } = await perturb(classifier, stages[state.stage]!.attack, {
    ...options,
    images: takeRows(images, members),
    labels: members.map((i) => labels[i]!),
    epsilon: typeof epsilon === 'number' ? epsilon : members.map((i) => epsilon[i]!),
    imageNumbers: members.map((i) => imageNumbers?.[i] ?? i),
  });
  const broken = members.flatMap((image, k) =>
    success[k] === 1 ? [{ image, stage: state.stage, pixels: encode(rows(adversarial, k, k + 1).data) }] : [],
  );
  return settle({
    ...state,
    pending: state.pending.slice(block),
    standing: [...state.standing, ...members.filter((_, k) => success[k] === 0)],
    broken: [...state.broken, ...broken],
    work: state.work.map((spent, stage) =>
      stage === state.stage ? { forwards: spent.forwards + forwards, gradients: spent.gradients + gradients } : spent,
    ),
  });
}

function resultOf(stages: readonly Stage[], images: Tensor, state: StagesState): Staged {
  const count = images.shape[0]!;
  const size = sizeOf(images.shape.slice(1));
  const adversarial = { ...images, data: images.data.slice() };
  const brokenBy = new Int32Array(count).fill(stages.length);
  for (const { image, stage, pixels } of state.broken) {
    brokenBy[image] = stage;
    adversarial.data.set(decode(pixels), image * size);
  }
  const reports = stages.map(({ name }, stage) => ({
    name,
    standing: brokenBy.filter((by) => by > stage).length,
    ...state.work[stage]!,
  }));
  return { adversarial, brokenBy, stages: reports, state };
}

function encode(pixels: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * pixels.length));
  for (const [i, value] of pixels.entries()) view.setFloat32(4 * i, value, true);
  let binary = '';
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
