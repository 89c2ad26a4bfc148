/** @file One model under every light: inspected, attacked, explained, and the evaluation itself checked. Node only. */
import { parameterNames } from 'onnx-grad';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { isExhausted, radiusLadder } from '../evaluation/curve.ts';
import { fitDataset } from '../evaluation/fit.ts';
import { checkHonesty } from '../evaluation/honesty/check-honesty.ts';
import { evaluateWithRepair, steadied } from '../evaluation/honesty/evaluate-with-repair.ts';
import type { TrainingHistory } from '../evaluation/honesty/training-checks.ts';
import { ledgerCsv } from '../evaluation/ledger.ts';
import { summaryOf } from '../evaluation/summary.ts';
import { type ThreatModel, threatModelOf } from '../evaluation/threat-model.ts';
import type { Classifier, ModelDescription } from '../models/classifier.ts';
import type { Work } from '../progress.ts';
import { classRadius, renderAuditReport } from '../report/audit-report.ts';
import type { AuditResult } from '../report/audit-result.ts';
import { hashDataset } from '../runs/hash.ts';
import { openRun, type Run } from '../runs/run.ts';
import { versions } from '../runtime/node/versions.ts';
import { sizeOf } from '../tensor.ts';
import type { AuditConfiguration } from './configuration.ts';
import { exampleAttackOf } from './example-attack.ts';
import { AMPLIFY, chooseExamples, makeExamples } from './pictures.ts';
import { inWords, protocolOf } from './protocol.ts';

export interface AuditOptions extends Work {
  classifier: Classifier;
  /** Where the model came from, for the report. */
  file: string;
  /** SHA-256 of that file, with those beside it that hold its weights. */
  hash: string;
  /** What is done with pixels before the first layer, in words. */
  preprocessing: string;
  /** How the model was trained, where that is known. */
  training?: TrainingHistory;
  dataset: Dataset;
  configuration: AuditConfiguration;
  /** Run folder; an unfinished audit of the same configuration in it goes on where it was. */
  folder: string;
}

/**
 * Audits a classifier and writes the folder: `report.html`, `audit.json`, `tables/`, `images/`.
 *
 * @throws UsageError when the folder holds another run, the data do not fit the model, the attacks are of several
 *   threat models, or radii are missing for one without a norm
 */
export async function runAudit(options: AuditOptions): Promise<{ result: AuditResult; report: string }> {
  const { classifier, file, hash, preprocessing, training, configuration, folder, signal, onProgress } = options;
  const { attacks, seed, exampleCount } = configuration;
  const { description } = classifier;
  const dataset = fitDataset(description, options.dataset);
  const threatModel = threatModelOf(attacks);
  const epsilons = configuration.epsilons ?? ladderFor(threatModel, description);
  const run = await openRun(folder, {
    manifest: {
      command: 'audit',
      configuration: JSON.parse(JSON.stringify({ ...configuration, model: file })),
      seeds: { audit: seed },
      versions: versions(),
      device: classifier.runtime.description,
      // Compared when an audit is resumed: the file may have been replaced.
      dataHashes: { [configuration.split]: hashDataset(dataset), model: hash },
      modelHashes: { [file]: hash },
    },
  });
  const work = { signal, onProgress };
  const evaluated = await evaluateWithRepair(classifier, {
    ...work,
    dataset,
    attacks,
    epsilons,
    until: configuration.epsilons ? undefined : (at) => isExhausted(at, description.classes.length),
    seed,
    remember: (name, compute) => run.step(stepName(name), compute),
  });
  const { ledger, said } = evaluated;
  const evaluation = summaryOf(ledger, description.classes.length);
  const checks = await run.step('honesty', () =>
    checkHonesty(classifier, {
      ...work,
      dataset,
      attacks,
      evaluated,
      training,
      seed,
      record: { seed, modelHash: hash },
    }),
  );
  const shownAt = classRadius(evaluation.underAttack, evaluation.natural.accuracy);
  const epsilon = shownAt?.epsilon ?? 0;
  const attackName = exampleAttackOf(attacks, shownAt);
  const examples = await run.step('pictures', () => {
    const chosen = chooseExamples(ledger.labels, ledger.natural, exampleCount);
    const attack = attacks[attackName]!;
    return makeExamples(steadied(classifier), { ...work, run, dataset, attack, epsilon, seed, chosen });
  });
  const result: AuditResult = {
    model: { ...factsOf(description), file, preprocessing },
    dataset: { name: dataset.name, split: configuration.split, count: dataset.count, note: dataset.note },
    norm: threatModel.name,
    attacks: Object.fromEntries(Object.entries(attacks).map(([name, attack]) => [name, inWords(attack)])),
    evaluation,
    masks: said,
    checks,
    exampleAttack: { name: attackName, epsilon, amplify: AMPLIFY },
    examples,
    protocol: protocolOf(configuration, dataset, threatModel.name),
    versions: { ...versions(), device: classifier.runtime.description },
  };
  await writeResults(run, result, ledgerCsv(ledger));
  return { result, report: run.path('report.html') };
}

function ladderFor({ name, norm }: ThreatModel, { inputShape }: ModelDescription): number[] {
  if (norm) return radiusLadder(norm, inputShape);
  throw new UsageError(`the strength of '${name}' is no distance that could be doubled: name the radii in --epsilons`);
}

const stepName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9.]+/g, '-');

function factsOf(model: ModelDescription): Omit<AuditResult['model'], 'file' | 'preprocessing'> {
  const counts = new Map<string, number>();
  for (const { op } of model.graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  const parameters = parameterNames(model.graph).flatMap((name) => model.graph.initializers.get(name) ?? []);
  return {
    name: model.name,
    parameterCount: parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    inputShape: model.inputShape,
    classes: model.classes,
    operators: [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count),
  };
}

async function writeResults(run: Run, result: AuditResult, ledger: string): Promise<void> {
  const { natural, underAttack } = result.evaluation;
  await run.writeTable(
    'accuracy',
    underAttack.map(({ byClass: _classes, byAttack: _attacks, top2, top5, ...row }) => ({
      ...row,
      top2: top2?.accuracy,
      top5: top5?.accuracy,
    })),
  );
  await run.writeTable(
    'accuracy-by-attack',
    underAttack.flatMap(({ epsilon, byAttack }) =>
      Object.entries(byAttack).map(([attack, found]) => ({ epsilon, attack, ...found })),
    ),
  );
  await run.writeTable(
    'accuracy-by-class',
    [{ ...natural, epsilon: 0 }, ...underAttack.filter(({ epsilon }) => epsilon > 0)].flatMap(({ epsilon, byClass }) =>
      byClass.flatMap((found, k) => (found ? [{ epsilon, class: result.model.classes[k]!, ...found }] : [])),
    ),
  );
  await run.writeTable(
    'checks',
    result.checks.map(({ id, title, verdict, evidence, advice }) => ({ id, title, verdict, evidence, advice })),
  );
  await run.write('tables/ledger.csv', ledger);
  await run.write('audit.json', `${JSON.stringify(result, undefined, 1)}\n`);
  await run.write('report.html', renderAuditReport(result));
  await run.update({ finishedAt: new Date().toISOString() });
}
