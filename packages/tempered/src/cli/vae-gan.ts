import { Command, Option } from 'commander';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset } from '../data/node/load.ts';
import { loadVaeGan } from '../generative/node/load.ts';
import { project, sample } from '../generative/project.ts';
import { pairSheet, sheet } from '../generative/sheets.ts';
import {
  checkVaeGanOptions,
  type TrainVaeGanOptions,
  trainVaeGan,
  type VaeGanSettings,
  vaeGanSettings,
} from '../generative/train-vae-gan.ts';
import { createVaeGan, type VaeGan, writeVaeGan } from '../generative/vae-gan.ts';
import type { Bitmap } from '../image/bitmap.ts';
import { encodePng } from '../image/node/encode.ts';
import { figure } from '../report/format.ts';
import { writeFileAtomic } from '../runs/atomic.ts';
import { hashBytes, hashDataset } from '../runs/hash.ts';
import { definedSettings } from '../runs/manifest.ts';
import { openRun } from '../runs/run.ts';
import { openTrainingLog } from '../runs/training-log.ts';
import { vaeGanFile } from '../runs/vae-gan-file.ts';
import { versions } from '../runtime/node/versions.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import {
  type CommonOptions,
  nonNegative,
  noteSizeOf,
  positiveInteger,
  withCommonOptions,
  withRuntime,
} from './options.ts';
import { report } from './output.ts';
import { checkFile, checkFolder } from './output-folder.ts';
import { runCommand, type Terminal } from './terminal.ts';

/** `tempered vae-gan`: an approximation of the manifold of images, trained and used. */
export function vaeGanCommand(): Command {
  return new Command('vae-gan')
    .summary('learn a manifold of images, project on it, sample from it')
    .description('train a VAE-GAN on a data set, project images onto the manifold it has learned, sample from it')
    .addCommand(trainCommand())
    .addCommand(reconstructCommand())
    .addCommand(sampleCommand());
}

interface DataOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  count?: number;
  size?: number;
}

interface TrainOptions extends DataOptions, Partial<VaeGanSettings> {
  batchSize: number;
  shuffle: boolean;
  out: string;
}

/** Pictures of the first images and of as many samples are drawn after every epoch. */
const SHOWN = 16;

function trainCommand(): Command {
  const command = new Command('train')
    .description('train a VAE-GAN on images of 1x28x28 or 3x32x32; defaults are those of Kim, Seo & Jeon 2019')
    .option('--data <NAME>', 'mnist (default), fashion-mnist, cifar10, FOLDER', 'mnist')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .option('--count <N>', 'the first N training images (default: all)', positiveInteger)
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .option('--epochs <N>', 'passes over the data (default: by data set)', positiveInteger)
    .option('--batch-size <N>', 'images a step', positiveInteger, 100)
    .option('--learning-rate <R>', 'of all three optimisers (default: by data set)', nonNegative)
    .option('--reconstruction-weight <L>', 'λ of the decoder (default: by data set)', nonNegative)
    .option('--discriminator-steps <N>', 'updates a batch (default: by data set)', positiveInteger)
    .option('--shuffle', 'another order of the images every epoch', false)
    .requiredOption('--out <DIR>', 'run folder: encoder, decoder and discriminator as .onnx, metrics, images/')
    .addHelpText('after', '\nStopped at any moment, the same command goes on after the last finished epoch.');
  return withCommonOptions(command).action((options: TrainOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteSizeOf(command, options.data);
      const { out, seed, batchSize, shuffle } = options;
      await checkFolder(out);
      await checkFile(options.json);
      const dataset = await loadData(options, 'train', terminal);
      const settings = chosenSettings(dataset, options);
      const result = await withRuntime(options, async (runtime) => {
        const vaeGan = createVaeGan({ imageShape: dataset.imageShape, seed });
        const { signal, onProgress } = terminal;
        const prepared = { runtime, vaeGan, dataset, settings, batchSize, shuffle, seed, signal, onProgress };
        checkVaeGanOptions(prepared);
        return trainIntoFolder(prepared, options, terminal);
      });
      await report(terminal, options, result, [`The VAE-GAN is in ${result.folder}`]);
    }),
  );
}

/** The settings of the source for this data set, or for the one its images look like, and what was chosen instead. */
function chosenSettings(dataset: Dataset, options: TrainOptions): VaeGanSettings {
  const name = Object.keys(vaeGanSettings).find((known) => known === dataset.name) as
    | keyof typeof vaeGanSettings
    | undefined;
  const usual = vaeGanSettings[name ?? (dataset.imageShape[0] === 1 ? 'mnist' : 'cifar10')];
  return {
    ...usual,
    epochs: options.epochs ?? usual.epochs,
    learningRate: options.learningRate ?? usual.learningRate,
    reconstructionWeight: options.reconstructionWeight ?? usual.reconstructionWeight,
    discriminatorSteps: options.discriminatorSteps ?? usual.discriminatorSteps,
  };
}

async function trainIntoFolder(prepared: TrainVaeGanOptions, options: TrainOptions, { print }: Terminal) {
  const { runtime, dataset, settings, seed = 0 } = prepared;
  const { data, count, size, batchSize, shuffle } = options;
  const run = await openRun(options.out, {
    manifest: {
      command: 'vae-gan train',
      configuration: definedSettings({ data, count, size, batchSize, shuffle, ...settings }),
      seeds: { train: seed },
      versions: versions(),
      device: runtime.description,
      dataHashes: { train: hashDataset(dataset) },
    },
  });
  const log = await openTrainingLog(run);
  const { images } = dataset.batch(Uint32Array.from({ length: Math.min(SHOWN, dataset.count) }, (_, i) => i));
  const { vaeGan, history } = await trainVaeGan({
    ...prepared,
    checkpoints: vaeGanFile(run.path('checkpoint.npz')),
    onEpoch: async (record, current) => {
      await log.append({ ...record, finishedAt: new Date().toISOString() });
      const epoch = String(record.epoch).padStart(4, '0');
      for (const [name, bitmap] of Object.entries(await pictures(runtime, current, images, seed)))
        await run.write(`images/${name}-${epoch}.png`, await encodePng(bitmap));
      if (!options.json) {
        print(
          [
            `epoch ${record.epoch} of ${settings.epochs}: reconstruction ${figure(record.reconstruction)}`,
            `KL ${figure(record.klDivergence)}`,
            `decoder ${figure(record.decoderLoss)}`,
            `discriminator ${figure(record.discriminatorLoss)}`,
            `${record.seconds.toFixed(1)} s`,
          ].join(', '),
        );
      }
    },
  });
  const modelHashes: Record<string, string> = {};
  for (const [part, bytes] of Object.entries(writeVaeGan(vaeGan))) {
    await run.write(`${part}.onnx`, bytes);
    modelHashes[`${part}.onnx`] = hashBytes(bytes);
  }
  await run.update({ modelHashes, finishedAt: new Date().toISOString() });
  return { folder: run.folder, history };
}

async function pictures(
  runtime: Runtime,
  vaeGan: VaeGan,
  images: Tensor,
  seed: number,
): Promise<Record<string, Bitmap>> {
  return {
    reconstructions: pairSheet(images, await project(runtime, vaeGan, images, { seed })),
    samples: sheet(await sample(runtime, vaeGan, SHOWN, { seed })),
  };
}

interface ReconstructOptions extends DataOptions {
  split: 'train' | 'test';
  count: number;
  code: 'drawn' | 'mean';
  out: string;
}

function reconstructCommand(): Command {
  const command = new Command('reconstruct')
    .description('project images onto the manifold, and measure how far they were from it')
    .argument('<DIR>', 'folder of the VAE-GAN')
    .option('--data <NAME>', 'mnist (default), fashion-mnist, cifar10, FOLDER, FILE.npz', 'mnist')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test']).default('test'))
    .option('--count <N>', 'the first N images', positiveInteger, 64)
    .option('--size <N>', 'pixels along each side, for folders of pictures', positiveInteger)
    .addOption(
      new Option('--code <NAME>', 'drawn once for each image, or its mean').choices(['drawn', 'mean']).default('drawn'),
    )
    .requiredOption('--out <FILE.png>', 'picture: rows of images, each with its reconstructions below');
  return withCommonOptions(command).action((folder: string, options: ReconstructOptions, command: Command) =>
    runCommand(async (terminal) => {
      noteSizeOf(command, options.data);
      const { out, seed, code, split } = options;
      await checkFile(out);
      await checkFile(options.json);
      const vaeGan = await loadVaeGan(folder);
      const dataset = await loadData(options, split, terminal);
      const { images } = dataset.batch(Uint32Array.from({ length: dataset.count }, (_, i) => i));
      const { signal, onProgress } = terminal;
      const reconstructed = await withRuntime(options, (runtime) =>
        project(runtime, vaeGan, images, { seed, code, signal, onProgress }),
      );
      await writeFileAtomic(out, await encodePng(pairSheet(images, reconstructed)));
      const distances = l2Distances(images, reconstructed);
      const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
      await report(terminal, options, { picture: out, images: distances.length, meanDistance: mean, distances }, [
        `${distances.length} images are on average ${figure(mean)} (l2, pixels in [0, 1]) from their reconstructions: ${out}`,
      ]);
    }),
  );
}

function l2Distances(a: Tensor, b: Tensor): number[] {
  const count = a.shape[0]!;
  const size = a.data.length / count;
  return Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let k = i * size; k < (i + 1) * size; k++) sum += (a.data[k]! - b.data[k]!) ** 2;
    return Math.sqrt(sum);
  });
}

interface SampleOptions extends CommonOptions {
  count: number;
  columns: number;
  out: string;
}

function sampleCommand(): Command {
  const command = new Command('sample')
    .description('draw images from the manifold')
    .argument('<DIR>', 'folder of the VAE-GAN')
    .option('--count <N>', 'how many', positiveInteger, 64)
    .option('--columns <N>', 'images a row', positiveInteger, 8)
    .requiredOption('--out <FILE.png>', 'picture');
  return withCommonOptions(command).action((folder: string, options: SampleOptions) =>
    runCommand(async (terminal) => {
      const { out, seed, count, columns } = options;
      await checkFile(out);
      await checkFile(options.json);
      const vaeGan = await loadVaeGan(folder);
      const { signal, onProgress } = terminal;
      const images = await withRuntime(options, (runtime) =>
        sample(runtime, vaeGan, count, { seed, signal, onProgress }),
      );
      await writeFileAtomic(out, await encodePng(sheet(images, columns)));
      await report(terminal, options, { picture: out, images: count }, [`${count} samples: ${out}`]);
    }),
  );
}

function loadData(
  { data: name, dataDir, count, size, seed }: DataOptions,
  split: 'train' | 'test',
  { signal, onProgress }: Terminal,
): Promise<Dataset> {
  return loadDataset({ name, dataDir, split, count, size, seed, signal, onProgress });
}
