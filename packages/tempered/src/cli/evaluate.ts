import { Command, Option } from 'commander';
import { type Attack, isMinimal } from '../attacks/attack.ts';
import { loadDataset, type Split } from '../data/node/load.ts';
import { UsageError } from '../errors.ts';
import type { Proportion } from '../evaluation/accuracy.ts';
import { isExhausted, radiusLadder } from '../evaluation/curve.ts';
import { checkSameClassNumbers, fitDataset } from '../evaluation/fit.ts';
import type { HonestyCheck } from '../evaluation/honesty/check.ts';
import { checkHonesty } from '../evaluation/honesty/check-honesty.ts';
import { evaluateWithRepair } from '../evaluation/honesty/evaluate-with-repair.ts';
import { attackEach, type Ledger, type LedgerAtEpsilon, type LedgerOptions, ledgerCsv } from '../evaluation/ledger.ts';
import { type MinimalDistances, minimalDistances } from '../evaluation/minimal-distances.ts';
import { type EvaluationSummary, summaryOf } from '../evaluation/summary.ts';
import { threatModelOf } from '../evaluation/threat-model.ts';
import { type TransferOptions, transferMatrix } from '../evaluation/transfer.ts';
import type { Classifier } from '../models/classifier.ts';
import { loadClassifier } from '../models/node/load.ts';
import type { Norm } from '../optimize/ball.ts';
import { epsilon, measured, percent, percentInterval } from '../report/format.ts';
import { writeFileAtomic } from '../runs/atomic.ts';
import { hashModelFile } from '../runs/hash.ts';
import { type AttackOptions, attacksFrom, withAttackOptions } from './attack-options.ts';
import {
  type CommonOptions,
  epsilonList,
  type ModelOptions,
  positiveInteger,
  readingOptions,
  withCommonOptions,
  withModelOptions,
  withRuntime,
} from './options.ts';
import { report, textTable } from './output.ts';
import { checkFile } from './output-folder.ts';
import { runCommand } from './terminal.ts';
import { trainingBeside } from './training-beside.ts';

interface EvaluateOptions extends CommonOptions, ModelOptions, AttackOptions {
  data: string;
  dataDir?: string;
  split: Split;
  count?: number;
  epsilons?: number[];
  curve?: boolean;
  byClass?: boolean;
  transfer?: boolean;
  distances?: boolean;
  checks: boolean;
  batchSize?: number;
  ledger?: string;
}

/** `tempered evaluate`: accuracy of models under attack, over a list of ε. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('measure natural and robust accuracy of ONNX classifiers')
    .argument('<MODEL.onnx...>', 'classifiers: input [N, C, H, W] in [0, 1], output logits')
    .requiredOption('--data <NAME>', 'shapes, mnist, fashion-mnist, cifar10, cifar100, FOLDER')
    .option('--data-dir <DIR>', 'folder with the data files (default: the cache)')
    .addOption(
      new Option('--split <NAME>', 'which images').choices(['train', 'test', 'conflict', 'all']).default('test'),
    )
    .option('--count <N>', 'the first N images in file order (default: all)', positiveInteger)
    .option('--epsilons <LIST>', 'radii in pixel units (default: see below)', epsilonList)
    .option('--curve', 'double ε until no more images are right than by chance')
    .option('--by-class', 'also show each class')
    .option('--transfer', 'also judge each model on images attacked on the others')
    .option('--distances', 'how small the perturbations are that fab, fmn ... find')
    .option('--no-checks', 'neither check itself nor go round masked gradients')
    .option('--batch-size <N>', 'images a run (default: 50, fewer for large images)', positiveInteger)
    .option('--ledger <FILE.csv>', 'write what becomes of each image at each ε')
    .addHelpText('after', `\nDefault radii: ${RADII_IN_WORDS}`);
  return withCommonOptions(withModelOptions(withAttackOptions(command))).action(
    (paths: string[], options: EvaluateOptions, command: Command) =>
      runCommand(async (terminal) => {
        const { signal, onProgress } = terminal;
        const { data, dataDir, split, count, seed, batchSize } = options;
        await checkFile(options.json);
        await checkFile(options.ledger);
        if (options.ledger !== undefined && paths.length > 1)
          throw new UsageError('--ledger holds one model: evaluate the models one by one');
        if (options.transfer && paths.length < 2) throw new UsageError('--transfer needs two models or more');
        const attacks = attacksFrom(command, options);
        checkAttacks(attacks, options);
        const { models, ledgers, transfer, distances, note } = await withRuntime(options, async (runtime) => {
          const classifiers: Classifier[] = [];
          for (const path of paths)
            classifiers.push(await loadClassifier(path, { ...readingOptions(options), runtime }));
          const size = classifiers[0]!.inputShape[1];
          const dataset = await loadDataset({ name: data, dataDir, split, count, size, seed, signal, onProgress });
          const fitted = classifiers.map(({ description }) => fitDataset(description, dataset));
          if (options.transfer) checkSameClassNumbers(classifiers, dataset);
          const work = { dataset, attacks, seed, batchSize, signal, onProgress };
          const ledgers: Ledger[] = [];
          const models: EvaluatedModel[] = [];
          for (const [i, classifier] of classifiers.entries()) {
            const { ledger, ...checked } = await evaluateAndCheck(classifier, paths[i]!, work, options);
            ledgers.push(ledger);
            const { classes } = classifier;
            models.push({ model: paths[i]!, classes, ...summaryOf(ledger, classes.length), ...checked });
          }
          const transfer = options.transfer ? await transferAtEach(classifiers, ledgers[0]!, work) : [];
          const distances = options.distances ? await distancesOf(classifiers, paths, work) : [];
          return { models, ledgers, transfer, distances, note: fitted[0]!.note };
        });
        if (options.ledger !== undefined) await writeFileAtomic(options.ledger, ledgerCsv(ledgers[0]!));
        const images = ledgers[0]!.labels.length;
        const result = { data, note, split, count: images, attacks, seed, models, transfer, distances };
        await report(terminal, options, result, [
          ...models.flatMap((model) => [
            ...(models.length > 1 ? ['', `${model.model}:`] : []),
            ...accuracyTable(model, Object.keys(attacks)),
            ...(options.byClass ? classTable(model, model.classes) : []),
            ...gradientNote(model, images),
            ...checkLines(model),
          ]),
          ...transfer.flatMap((table) => transferTable(table, paths)),
          ...distanceTable(distances),
          ...(note === undefined ? [] : [`Data: ${note}`]),
        ]);
      }),
  );
}

interface EvaluatedModel extends EvaluationSummary {
  readonly model: string;
  readonly classes: readonly string[];
  /** What hides weak points from gradients and what was done about it. */
  readonly masks: readonly string[];
  readonly checks: readonly HonestyCheck[];
}

/** The evaluation, repaired where gradients are masked, and whether it can be believed; without --checks, as asked for. */
async function evaluateAndCheck(
  classifier: Classifier,
  path: string,
  work: Omit<LedgerOptions, 'epsilons'>,
  options: EvaluateOptions,
): Promise<{ ledger: Ledger; masks: readonly string[]; checks: readonly HonestyCheck[] }> {
  const asked = { ...work, ...radiiFor(classifier, work.attacks, options) };
  if (!options.checks) return { ledger: await attackEach(classifier, asked), masks: [], checks: [] };
  const record = { modelHash: await hashModelFile(path) };
  const training = await trainingBeside(path, record.modelHash, classifier.description);
  const evaluated = await evaluateWithRepair(classifier, asked);
  const checks = await checkHonesty(classifier, { ...work, evaluated, training, record });
  return { ledger: evaluated.ledger, masks: evaluated.said, checks };
}

/** Masks and checks that call for attention, and how many passed. */
export function checkLines({ masks, checks }: Pick<EvaluatedModel, 'masks' | 'checks'>): string[] {
  if (checks.length === 0) return [];
  const count = (verdict: HonestyCheck['verdict']) => checks.filter((check) => check.verdict === verdict).length;
  return [
    '',
    `Honesty: ${count('pass')} checks passed, ${count('warn')} to look at, ${count('fail')} failed`,
    ...masks.map((mask) => `masked: ${mask}`),
    ...checks
      .filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
      .map(({ id, title, verdict, evidence, advice }) =>
        [`${verdict} ${id} ${title}: ${evidence}`, advice].filter(Boolean).join('; '),
      ),
  ];
}

/** Radii where none are given: from what nobody sees to what is plain, on photographs and digits alike. */
const RADII: Readonly<Record<Norm, readonly number[]>> = {
  linf: [0, 2 / 255, 4 / 255, 8 / 255],
  l2: [0, 0.25, 0.5, 1],
  l1: [0, 3, 6, 12],
};

const RADII_IN_WORDS = Object.entries(RADII)
  .map(([norm, radii]) => `${norm} ${radii.map(epsilon).join(',')}`)
  .join('; ');

/** What can be refused before any model is read. */
function checkAttacks(attacks: Readonly<Record<string, Attack>>, { distances, epsilons, curve }: EvaluateOptions) {
  const { name, norm } = threatModelOf(attacks);
  if (epsilons === undefined && norm === undefined)
    throw new UsageError(
      `--epsilons is missing: '${name}' is no attack in a norm ball, so that no radii${curve ? ' of a curve' : ''} go without saying`,
    );
  const [inBall] = Object.entries(attacks).find(([, attack]) => !isMinimal(attack)) ?? [];
  if (distances && inBall !== undefined)
    throw new UsageError(
      `--distances needs attacks that look for the smallest perturbation: give '${inBall}' the setting minimal=yes, or take fab, fmn, deep-fool or ddn`,
    );
}

function radiiFor(classifier: Classifier, attacks: Readonly<Record<string, Attack>>, options: EvaluateOptions) {
  const { epsilons, curve } = options;
  const { norm = 'linf' } = threatModelOf(attacks);
  if (!curve) return { epsilons: epsilons ?? RADII[norm] };
  return {
    epsilons: epsilons ?? radiusLadder(norm, classifier.inputShape),
    until: (at: LedgerAtEpsilon) => isExhausted(at, classifier.classes.length),
  };
}

interface TransferTable {
  /** The first of those asked for. */
  readonly attack: string;
  readonly epsilon: number;
  /** Row: the model attacked; column: the model judged. */
  readonly matrix: readonly (readonly Proportion[])[];
}

async function transferAtEach(
  classifiers: readonly Classifier[],
  { underAttack }: Ledger,
  { attacks, ...work }: Omit<TransferOptions, 'attack' | 'epsilon'> & { attacks: Readonly<Record<string, Attack>> },
): Promise<TransferTable[]> {
  const tables: TransferTable[] = [];
  const [name, attack] = Object.entries(attacks)[0]!;
  for (const { epsilon } of underAttack.filter((at) => at.epsilon > 0))
    tables.push({ attack: name, epsilon, matrix: await transferMatrix(classifiers, { ...work, attack, epsilon }) });
  return tables;
}

interface DistanceRow extends MinimalDistances {
  readonly model: string;
  readonly attack: string;
}

async function distancesOf(
  classifiers: readonly Classifier[],
  paths: readonly string[],
  { attacks, ...work }: Omit<LedgerOptions, 'epsilons'>,
): Promise<DistanceRow[]> {
  const rows: DistanceRow[] = [];
  for (const [i, classifier] of classifiers.entries())
    for (const [name, attack] of Object.entries(attacks))
      rows.push({ model: paths[i]!, attack: name, ...(await minimalDistances(classifier, { ...work, attack })) });
  return rows;
}

/** Infinite where so many images withstood the attack. */
function distanceTable(rows: readonly DistanceRow[]): string[] {
  if (rows.length === 0) return [];
  const headings = ['model, attack', 'found', '5%', '25%', 'median', '75%', '95%'];
  const cells = rows.map(({ model, attack, found, attacked, quantiles: { p5, p25, median, p75, p95 } }) => [
    `${attack} on ${model}`,
    `${found} of ${attacked}`,
    ...[p5, p25, median, p75, p95].map((distance) => (Number.isFinite(distance) ? measured(distance) : '–')),
  ]);
  return ['', 'Smallest perturbations found for images that are right without attack:', ...textTable(headings, cells)];
}

function accuracyTable({ underAttack }: EvaluationSummary, names: readonly string[]): string[] {
  const each = names.length > 1 ? names : [];
  const headings = ['ε', each.length > 0 ? 'worst case' : 'accuracy', '95% interval', 'right', ...each];
  const rows = underAttack.map((row) => [
    epsilon(row.epsilon),
    percent(row.accuracy),
    percentInterval(row),
    `${row.correct} of ${row.count}`,
    ...each.map((name) => percent(row.byAttack[name]!.accuracy)),
  ]);
  return textTable(headings, rows);
}

function classTable({ natural, underAttack }: EvaluationSummary, classes: readonly string[]): string[] {
  const share = (found: Proportion | null | undefined) => (found ? percent(found.accuracy) : '–');
  const rows = natural.byClass.map((found, k) => [
    classes[k]!,
    String(found?.count ?? 0),
    ...underAttack.map(({ byClass }) => share(byClass[k])),
  ]);
  return ['', ...textTable(['class', 'images', ...underAttack.map((at) => `ε = ${epsilon(at.epsilon)}`)], rows)];
}

function transferTable({ attack, epsilon: radius, matrix }: TransferTable, paths: readonly string[]): string[] {
  const rows = matrix.map((row, i) => [`model ${i + 1}, ${paths[i]}`, ...row.map(({ accuracy }) => percent(accuracy))]);
  const heading = `Accuracy at ε = ${epsilon(radius)} under ${attack} of each model (column) on images attacked on another (row):`;
  return ['', heading, ...textTable(['', ...paths.map((_, i) => `model ${i + 1}`)], rows)];
}

/** A loss that is saturated hides weak images instead of finding them. */
function gradientNote({ underAttack }: EvaluationSummary, images: number): string[] {
  const without = Math.max(...underAttack.map(({ zeroGradients }) => zeroGradients));
  return without > 0 ? [noGradient(without, images)] : [];
}

export const noGradient = (without: number, count: number): string =>
  `${without} of ${count} images gave an attack no gradient: try --loss margin`;
