/** @file `tempered/node`: everything of `tempered`, and what needs Node: files, data sets by name, the engine, whole studies. */
export { auditAttacks } from './audit/attacks.ts';
export { type AuditOptions, runAudit } from './audit/audit.ts';
export type { AuditConfiguration, Effort } from './audit/configuration.ts';
export { type FetchOptions, fetchDataset } from './data/node/fetch.ts';
export { type LoadOptions, loadDataset, type Split } from './data/node/load.ts';
export type { FetchableName, SourceFile, Sources } from './data/node/sources.ts';
export { loadVaeGan } from './generative/node/load.ts';
export type { Outline } from './image/mask-outline.ts';
export { type AnimationOptions, decodeImage, encodeAnimation, encodePng } from './image/node/encode.ts';
export * from './index.ts';
export { type LoadClassifierOptions, loadClassifier } from './models/node/load.ts';
export type { AuditExample, AuditResult, AuditView } from './report/audit-result.ts';
export { renderRoarReport } from './report/roar-report.ts';
export type {
  OccludedAccuracy,
  ProtocolResult,
  RoarAxis,
  RoarClaim,
  RoarLoss,
  RoarMethod,
  RoarModel,
  RoarNorm,
  RoarProtocol,
  RoarResult,
  RoarSample,
  RoarScore,
  RoarSeries,
  Unranked,
} from './report/roar-result.ts';
export { renderStudyReport } from './report/study-report.ts';
export type {
  AccuracyAtEpsilon as StudyAccuracyAtEpsilon,
  AccuracyResult,
  AttributionExample,
  AttributionResult,
  EpochResult,
  ExampleResult,
  LargeEpsilonResult,
  ModelExample,
  ModelName,
  ModelResult,
  Picture,
  Prediction,
  StudyResult,
  TraversalResult,
} from './report/study-result.ts';
export { checkpointFile } from './runs/checkpoint-file.ts';
export type { CsvValue } from './runs/csv.ts';
export type { Json, Manifest } from './runs/manifest.ts';
export { type ManifestStart, openRun, type Run, type StepOptions } from './runs/run.ts';
export { vaeGanFile } from './runs/vae-gan-file.ts';
export { createNodeRuntime, type NodeRuntimeOptions } from './runtime/node/node-runtime.ts';
export { type Preset, type StudyConfiguration, studyConfiguration } from './study/configuration.ts';
export { type RoarConfiguration, roarConfiguration } from './study/roar/configuration.ts';
export { type RoarStudyOptions, runRoarStudy } from './study/roar/roar.ts';
export { runStudy, type StudyOptions } from './study/study.ts';
