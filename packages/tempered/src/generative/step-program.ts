/** @file One update of one part of a VAE-GAN as one compiled graph: passes, losses, gradients and the optimiser's step. */
import {
  decompose,
  emptyGraph,
  type Graph,
  GraphBuilder,
  gradient,
  type Node,
  specialize,
  type Value,
  writeModel,
} from 'onnx-grad';
import { scalar } from '../models/batching.ts';
import type { HostTensor, ResidentTensor, Runtime } from '../runtime/runtime.ts';
import { type Optimizer, stateNames, stepScalars, writeUpdate } from '../training/optimizer.ts';
import { trainingForm } from '../training/training-graph.ts';
import { drawCode, klDivergence, logComplement, logProbability, reconstructionError } from './losses.ts';
import { spectralNames } from './spectral-norm.ts';
import { isTrained, stateInitializers, type VaeGanState } from './state.ts';
import { INPUTS, PARTS, type Part, type VaeGan } from './vae-gan.ts';

export interface StepOptions {
  readonly vaeGan: VaeGan;
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  /** λ: weight of the reconstruction error in the decoder's loss. */
  readonly reconstructionWeight: number;
  readonly state: VaeGanState;
}

export interface PartStep {
  /**
   * Updates the part, and replaces its state.
   *
   * @param feeds images [B, C, H, W] in [0, 1]; `noise` and `prior`, [B, codeSize], from N(0, 1): the first draws the
   *   codes of the images, the second gives codes without an image
   * @param step of this part's optimiser, counted from 1
   * @returns means over the batch: the part's loss, and for the encoder its two terms
   */
  run(
    feeds: { images: HostTensor | ResidentTensor; noise: HostTensor; prior: HostTensor },
    step: number,
    learningRate: number,
  ): Promise<Record<string, number>>;
  release(): void;
}

/** Compiles the update of one part. Batch normalisation uses batch statistics in all parts, and moves the running ones of this part only. */
export async function compilePartStep(runtime: Runtime, part: Part, options: StepOptions): Promise<PartStep> {
  const { optimizer, state } = options;
  const g = new GraphBuilder(emptyGraph(`vae-gan ${part} step`));
  const scalars = Object.fromEntries(
    Object.keys(stepScalars(optimizer, 1, 0)).map((name) => [name, g.input(name, 'float32', [])]),
  );
  const parameters = declareParameters(g, part, options);
  const { losses, next } = writeLosses(g, part, options, parameters);
  for (const [name, value] of Object.entries(losses)) g.output(g.reduceMean(value, [0]), name);

  const trained = Object.keys(parameters[part]).filter(isTrained);
  const gradients = gradient(g, {
    of: g.reduceMean(losses.loss!, [0]),
    wrt: trained.map((name) => parameters[part][name]!),
  });
  trained.forEach((name, i) => {
    const parameter = parameters[part][name]!;
    const slots = stateNames(optimizer).map((slot) => `${part}/${name}.${slot}`);
    const update = writeUpdate(g, optimizer, {
      parameter,
      gradient: gradients[i]!,
      state: slots.map((slot) => g.input(slot, 'float32', parameter.shape)),
      scalars,
    });
    next[`${part}/${name}`] = update.parameter;
    update.state.forEach((value, k) => {
      next[slots[k]!] = value;
    });
  });
  for (const [key, value] of Object.entries(next)) g.output(value, `next/${key}`);

  const program = await runtime.compile(writeModel(decompose(g.graph)), { label: `${part} step of a VAE-GAN` });
  const inputs = program.inputNames.filter((name) => name in state);
  const given = new Set(program.inputNames);
  return {
    async run({ images, noise, prior }, step, learningRate) {
      const factors = Object.entries(stepScalars(optimizer, step, learningRate)).map(
        ([name, value]): [string, HostTensor] => [name, scalar(value)],
      );
      const all = [['images', images] as const, ['noise', noise] as const, ['prior', prior] as const, ...factors];
      const { fetched, kept } = await program.run(
        {
          ...Object.fromEntries(all.filter(([name]) => given.has(name))),
          ...Object.fromEntries(inputs.map((name) => [name, state[name]!])),
        },
        { fetch: Object.keys(losses), keep: Object.keys(next).map((key) => `next/${key}`) },
      );
      for (const key of Object.keys(next)) {
        state[key]!.release();
        state[key] = kept[`next/${key}`]!;
      }
      return Object.fromEntries(Object.entries(fetched).map(([name, { data }]) => [name, Number(data[0])]));
    },
    release: () => program.release(),
  };
}

type Parameters = Record<Part, Record<string, Value>>;

/** The parts that an update looks at. */
const involved = (part: Part): readonly Part[] => (part === 'encoder' ? ['encoder', 'decoder'] : PARTS);

function declareParameters(g: GraphBuilder, part: Part, { vaeGan }: StepOptions): Parameters {
  const parameters: Parameters = { encoder: {}, decoder: {}, discriminator: {} };
  for (const each of involved(part)) {
    for (const name of stateInitializers(vaeGan, each)) {
      const { shape } = vaeGan.graphs[each].initializers.get(name)!;
      parameters[each][name] = g.input(`${each}/${name}`, 'float32', shape);
    }
  }
  return parameters;
}

interface Losses {
  /** [B]; `loss` is the one that is minimised. */
  losses: Record<string, Value>;
  /** What moves along with the passes, by its key in the state. */
  next: Record<string, Value>;
}

function writeLosses(
  g: GraphBuilder,
  part: Part,
  { vaeGan, batchSize, reconstructionWeight }: StepOptions,
  parameters: Parameters,
): Losses {
  const images = g.input('images', 'float32', [batchSize, ...vaeGan.imageShape]);
  const code = [batchSize, vaeGan.codeSize];
  const { apply, moved } = passes(g, vaeGan, parameters);
  const next = (): Record<string, Value> => ({ ...moved(part, 'running'), ...moved('discriminator', 'singular') });

  const encoded = apply('encoder', images);
  const [mean, logVariance] = [encoded('mean'), encoded('log_variance')];
  const drawn = drawCode(g, mean, logVariance, g.input('noise', 'float32', code));
  const reconstructed = apply('decoder', drawn)('image');
  const reconstruction = reconstructionError(g, images, reconstructed);
  if (part === 'encoder') {
    const kl = klDivergence(g, mean, logVariance);
    return { losses: { loss: g.add(reconstruction, kl), reconstruction, kl }, next: next() };
  }
  const imagined = apply('decoder', g.input('prior', 'float32', code))('image');
  if (part === 'decoder') {
    const [onReconstructed, onImagined] = applyToEach([reconstructed, imagined]);
    const fooling = g.add(logProbability(g, onReconstructed!), logProbability(g, onImagined!));
    return { losses: { loss: g.sub(g.scale(reconstruction, reconstructionWeight), fooling) }, next: next() };
  }
  const [onReal, onReconstructed, onImagined] = applyToEach([images, reconstructed, imagined]);
  const right = g.sum([logProbability(g, onReal!), logComplement(g, onReconstructed!), logComplement(g, onImagined!)]);
  return { losses: { loss: g.neg(right) }, next: next() };

  /** With batch normalisation, every kind of image is a batch of its own; without, all are one batch, which is quicker. */
  function applyToEach(kinds: readonly Value[]): Value[] {
    const separate = vaeGan.graphs.discriminator.nodes.some(({ op }) => op === 'BatchNormalization');
    if (separate) return kinds.map((x) => apply('discriminator', x)('probability'));
    const together = apply('discriminator', g.concat(kinds, 0))('probability');
    return g.split(
      together,
      kinds.map(() => batchSize),
      0,
    );
  }
}

/** Applies parts one after the other; running statistics go on from pass to pass. */
function passes(g: GraphBuilder, vaeGan: VaeGan, parameters: Parameters) {
  const running: Parameters = { encoder: {}, decoder: {}, discriminator: {} };
  const singular: Parameters = { encoder: {}, decoder: {}, discriminator: {} };
  return {
    apply(part: Part, x: Value): (name: string) => Value {
      const { graph, statistics, vectors } = passForm(vaeGan, part, x.shape[0]!);
      const values = g.append(graph, { [INPUTS[part]]: x, ...parameters[part], ...running[part] });
      for (const [name, output] of Object.entries(statistics)) running[part][name] = values.get(output)!;
      for (const [name, output] of Object.entries(vectors)) singular[part][name] = values.get(output)!;
      return (name) => values.get(name)!;
    },
    moved(part: Part, kind: 'running' | 'singular'): Record<string, Value> {
      const values = (kind === 'running' ? running : singular)[part];
      return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${part}/${name}`, value]));
    },
  };
}

/** A part for one batch size in training: batch statistics, and singular vectors that gradients do not pass. */
function passForm(vaeGan: VaeGan, part: Part, batch: number) {
  const { initializers } = vaeGan.graphs[part];
  const names = stateInitializers(vaeGan, part);
  const shape = part === 'decoder' ? [vaeGan.codeSize] : vaeGan.imageShape;
  const specialized = specialize(vaeGan.graphs[part], { [INPUTS[part]]: [batch, ...shape] }, { parameters: names });
  const { graph, statistics } = trainingForm(specialized);
  const layers = [...initializers.keys()].filter((name) => name.endsWith('.u')).map((name) => name.slice(0, -2));
  const vectors = Object.fromEntries(layers.map((layer) => [spectralNames(layer).u, spectralNames(layer).next]));
  const held = layers.flatMap((layer) => [spectralNames(layer).v, spectralNames(layer).next]);
  return { graph: withStopped(graph, new Set(held)), statistics, vectors };
}

/** The graph with a StopGradient behind each of these values. */
function withStopped(graph: Graph, held: ReadonlySet<string>): Graph {
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const [name] = node.outputs;
    if (name === undefined || !held.has(name)) return [node];
    const stop = { name, op: 'StopGradient', domain: '', inputs: [`${name}/free`], outputs: [name], attributes: {} };
    return [{ ...node, outputs: [`${name}/free`] }, stop];
  });
  return { ...graph, nodes };
}
