/** @file What the folder of a trained model tells of its training, where `tempered train` wrote both. */
import { basename, dirname, join } from 'node:path';
import { readIfThere } from '../data/node/files.ts';
import type { TrainingHistory } from '../evaluation/honesty/training-checks.ts';
import type { ModelDescription } from '../models/classifier.ts';
import type { Manifest } from '../runs/manifest.ts';
import { type LogRow, readTrainingRows } from '../runs/training-log.ts';
import type { EpochRecord } from '../training/checkpoint.ts';
import { findingsOf } from '../training/findings.ts';
import { configurationSchema } from './train-schema.ts';

/**
 * The history of the training that made a model file: from `metrics.jsonl` and `configuration.json` beside it, when
 * `manifest.json` there holds the hash of this very file; undefined for any other model.
 *
 * @param hash SHA-256 of the model file
 * @throws DataError when `metrics.jsonl` is damaged
 */
export async function trainingBeside(
  path: string,
  hash: string,
  { classes, graph }: ModelDescription,
): Promise<TrainingHistory | undefined> {
  const beside = (name: string) => join(dirname(path), name);
  const manifest = (await readJson(beside('manifest.json'))) as Partial<Manifest> | undefined;
  if (manifest?.command !== 'train' || manifest.modelHashes?.[basename(path)] !== hash) return undefined;
  const { data: configuration } = configurationSchema.safeParse(await readJson(beside('configuration.json')));
  const history = (await readTrainingRows(beside('metrics.jsonl'))).map(recordOf);
  if (configuration === undefined || history.length === 0) return undefined;
  const { epochs, count, validation } = configuration;
  // As many as were asked for, though small data sets give fewer: how many there were is not written down.
  const validationImages = Math.min(validation.count, Math.floor((count ?? Number.POSITIVE_INFINITY) / 5));
  const trainingImages = (count ?? 0) - validationImages;
  const findings = findingsOf(history, { epochs, classes: classes.length, trainingImages, validationImages });
  return { history, findings, bestEpoch: Number(graph.metadata['tempered.epochs'] ?? 0) };
}

function recordOf(row: LogRow): EpochRecord {
  const figure = (key: keyof EpochRecord): number | undefined => {
    const value = row[key];
    return typeof value === 'number' ? value : undefined;
  };
  return {
    epoch: row.epoch,
    loss: figure('loss') ?? Number.NaN,
    trainingAccuracy: figure('trainingAccuracy') ?? Number.NaN,
    naturalAccuracy: figure('naturalAccuracy'),
    robustAccuracy: figure('robustAccuracy'),
    trainingRobustAccuracy: figure('trainingRobustAccuracy'),
    learningRate: figure('learningRate') ?? Number.NaN,
    seconds: figure('seconds') ?? Number.NaN,
  };
}

/** Undefined when there is no such file, or no JSON in it: other programs have files of these names too. */
async function readJson(path: string): Promise<unknown> {
  const bytes = await readIfThere(path);
  try {
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
