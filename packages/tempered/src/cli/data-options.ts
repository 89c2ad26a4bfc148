/** @file The options of commands that measure on a data set. */
import { type Command, Option } from 'commander';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { fitDataset } from '../evaluation/fit.ts';
import type { Classifier } from '../models/classifier.ts';
import { positiveInteger } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface DataOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
}

/** `--data`, `--data-dir`, `--split`, `--count`. */
export function withDataOptions(command: Command): Command {
  return command
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(new Option('--split <NAME>', 'which images').choices(['train', 'test', 'all']).default('test'))
    .option('--count <N>', 'the first N images in file order (default: all)', positiveInteger);
}

/** The images asked for, with the labels of the classifier. */
export async function dataFor(
  classifier: Classifier,
  { data: name, dataDir, split, count, seed }: DataOptions & { seed: number },
  { signal, onProgress }: Terminal,
): Promise<Dataset> {
  const size = classifier.inputShape[1];
  const dataset = await loadDataset({ name, dataDir, split, count, size, seed, signal, onProgress });
  return fitDataset(classifier.description, dataset);
}
