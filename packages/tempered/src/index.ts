/**
 * @file What Tempered offers everywhere: in browsers, in workers and in Node. Data in, data out; no files, no engine of
 * its own. `tempered/node` and `tempered/web` export the same and add what their platform has.
 */

export type { DataType, Dimension, Graph, Value, ValueInfo } from 'onnx-grad';
export { GraphBuilder, ModelError, ShapeError, UnsupportedOpError } from 'onnx-grad';
export {
  type Attack,
  isMinimal,
  normOf,
  type Perturbed,
  type PerturbOptions,
  perturb,
} from './attacks/attack.ts';
export {
  type AutoAttack,
  type AutoAttackOptions,
  type AutoAttackStages,
  autoAttack,
  autoAttackStages,
} from './attacks/auto-attack.ts';
export { type AutoPgd, type AutoPgdOptions, autoPgd } from './attacks/auto-pgd.ts';
export type { AutoPgdLoss } from './attacks/auto-pgd-step.ts';
export { type CarliniWagner, type CarliniWagnerOptions, carliniWagner } from './attacks/carlini-wagner.ts';
export {
  type AttackSettings,
  attackOf,
  type CatalogueEntry,
  catalogue,
  choicesOf,
  settingsOf,
} from './attacks/catalogue.ts';
export { type Ddn, type DdnOptions, ddn } from './attacks/ddn.ts';
export { type DeepFool, type DeepFoolOptions, deepFool } from './attacks/deep-fool.ts';
export {
  discrepancyAttack,
  type MapAttack,
  type MapAttackOptions,
  mapsAt,
  type PerturbedMaps,
  type PerturbMapsOptions,
  perturbMaps,
  topKAttack,
} from './attacks/explanations/map-attack.ts';
export type { MapKind } from './attacks/explanations/maps.ts';
export {
  type Sneaked,
  type SneakingAttack,
  type SneakingOptions,
  type SneakOptions,
  sneak,
  sneakingAttack,
} from './attacks/explanations/sneaking.ts';
export { type Fab, type FabOptions, fab } from './attacks/fab.ts';
export { type Fgsm, type FgsmOptions, fgsm, fgsmRs, rFgsm } from './attacks/fgsm.ts';
export { type Fmn, type FmnOptions, fmn } from './attacks/fmn.ts';
export { type HopSkipJump, type HopSkipJumpOptions, hopSkipJump } from './attacks/hop-skip-jump.ts';
export {
  attackInStages,
  type BrokenImage,
  type Stage,
  type Staged,
  type StagesOptions,
  type StagesState,
  type StageWork,
} from './attacks/in-stages.ts';
export {
  type MinimalEpsilon,
  type MinimalEpsilonOptions,
  minimalEpsilon,
} from './attacks/minimal-epsilon.ts';
export { type MomentumFgsm, type MomentumOptions, miFgsm, niFgsm } from './attacks/momentum.ts';
export { type Nes, type NesOptions, nes } from './attacks/nes.ts';
export { type Noise, type NoiseOptions, noise } from './attacks/noise.ts';
export { bim, type Pgd, type PgdOptions, pgd, type StepSize } from './attacks/pgd.ts';
export {
  bluffFgsm,
  bluffPgd,
  boopathy2020Evaluation,
  boopathy2020Training,
  boychev2023,
  kang2019Pgd,
  kim2019,
  mnistManipulation,
  presets,
  robustnessLibrary,
  type StudyAttack,
  sidnExercise,
  zhang2019,
  zhang2019Fgsm,
} from './attacks/presets.ts';
export { type Restarts, restarts } from './attacks/restarts.ts';
export { type Spatial, type SpatialLoss, type SpatialOptions, spatial } from './attacks/spatial.ts';
export { type Square, type SquareOptions, square } from './attacks/square.ts';
export { chooseTargets, type TargetChoice, type Targeted, type TargetPolicy, targeted } from './attacks/targeted.ts';
export { type Elastic, elastic } from './attacks/unforeseen/elastic.ts';
export { type Fog, fog } from './attacks/unforeseen/fog.ts';
export { type FrankWolfeL1, frankWolfeL1 } from './attacks/unforeseen/frank-wolfe-l1.ts';
export { type Gabor, gabor } from './attacks/unforeseen/gabor.ts';
export { type CoefficientNorm, type Jpeg, type JpegOptions, jpeg } from './attacks/unforeseen/jpeg.ts';
export type { Aim, Unforeseen, UnforeseenOptions } from './attacks/unforeseen/options.ts';
export { type Snow, type SnowOptions, snow } from './attacks/unforeseen/snow.ts';
export { foolingRate, type Universal, type UniversalOptions, universalPerturbation } from './attacks/universal.ts';
export { type WorstCase, worstCase } from './attacks/worst-case.ts';
export { type Activation, activation } from './attribution/activation.ts';
export { type AttributeOptions, type Attribution, type AttributionMethod, attribute } from './attribution/attribute.ts';
export type { Baseline } from './attribution/baseline.ts';
export { type Edges, edges } from './attribution/baselines/edges.ts';
export { type RandomAttribution, randomAttribution } from './attribution/baselines/random.ts';
export { type Cam, classActivationMap } from './attribution/cam/cam.ts';
export { type GradCam, gradCam } from './attribution/cam/grad-cam.ts';
export { type GradCamPlusPlus, gradCamPlusPlus } from './attribution/cam/grad-cam-plus-plus.ts';
export { type HiResCam, hiResCam } from './attribution/cam/hires-cam.ts';
export { type LayerCam, layerCam } from './attribution/cam/layer-cam.ts';
export type { Resizing } from './attribution/cam/resizing.ts';
export { type ScoreCam, scoreCam } from './attribution/cam/score-cam.ts';
export { type XGradCam, xGradCam } from './attribution/cam/xgrad-cam.ts';
export {
  type MapReading,
  type MethodEntry,
  methodCatalogue,
  methodsFrom,
  type NamedMethod,
} from './attribution/catalogue.ts';
export { type Conductance, conductance, type NeuronConductance, neuronConductance } from './attribution/conductance.ts';
export { type DeepLift, type DeepLiftRule, deepLift } from './attribution/deep-lift.ts';
export { type DeepShap, deepShap } from './attribution/deep-shap.ts';
export { type ExcitationBackprop, excitationBackprop } from './attribution/excitation-backprop.ts';
export {
  type ExpectedGradients,
  expectedGradients,
  type GradientShap,
  gradientShap,
} from './attribution/expected-gradients.ts';
export type { Explained } from './attribution/explained.ts';
export type { Certificate, Completeness, Cost, LostRelevance } from './attribution/explanation.ts';
export { type Gradient, type GradientTimesInput, gradientTimesInput, plainGradient } from './attribution/gradient.ts';
export { type Deconvnet, deconvnet, type GuidedBackprop, guidedBackprop } from './attribution/guided-backprop.ts';
export { type GuidedGradCam, guidedGradCam } from './attribution/guided-grad-cam.ts';
export { type IntegratedGradients, integratedGradients } from './attribution/integrated-gradients.ts';
export { type InternalInfluence, internalInfluence } from './attribution/internal-influence.ts';
export {
  type Composite,
  epsilonAlpha2Beta1,
  epsilonAlpha2Beta1Flat,
  epsilonGammaBox,
  epsilonPlus,
  epsilonPlusFlat,
  uniformRules,
} from './attribution/lrp/composites.ts';
export { type Lrp, lrp } from './attribution/lrp/lrp.ts';
export {
  alphaBetaRule,
  boxRule,
  epsilonRule,
  flatRule,
  gammaRule,
  type LrpRule,
  passRule,
  wSquareRule,
  zeroRule,
  zPlusRule,
} from './attribution/lrp/rules.ts';
export type { Stabiliser } from './attribution/lrp/stabilise.ts';
export { type ExactShapley, exactShapley } from './attribution/perturbation/exact-shapley.ts';
export { type FeatureAblation, featureAblation } from './attribution/perturbation/feature-ablation.ts';
export type { FeatureBaseline, FeatureMask, Features } from './attribution/perturbation/features.ts';
export { type KernelShap, kernelShap } from './attribution/perturbation/kernel-shap.ts';
export { type Lime, lime } from './attribution/perturbation/lime.ts';
export { type Occlusion, occlusion } from './attribution/perturbation/occlusion.ts';
export { type Rise, type RiseNormalisation, rise } from './attribution/perturbation/rise.ts';
export { type ShapleySampling, shapleySampling } from './attribution/perturbation/shapley-sampling.ts';
export { type Segmentation, type SuperpixelOptions, superpixels } from './attribution/perturbation/superpixels.ts';
export { type AttributionPreset, attributionPresets } from './attribution/presets.ts';
export type { QuadratureRule } from './attribution/quadrature.ts';
export {
  type SmoothGrad,
  type SmoothGradOptions,
  type SmoothGradSquared,
  smoothGrad,
  smoothGradSquared,
  type VarGrad,
  varGrad,
} from './attribution/smoothgrad.ts';
export { type Augmentation, augment } from './data/augment.ts';
export {
  CIFAR10_CLASSES,
  CIFAR100_CLASSES,
  type CifarName,
  type CifarOptions,
  type CifarSplit,
  cifarDataset,
  cifarFromArchive,
} from './data/cifar.ts';
export type { ColorJitter } from './data/color-jitter.ts';
export {
  type Dataset,
  type DatasetArrays,
  first,
  fromArrays,
  subset,
} from './data/dataset.ts';
export {
  FASHION_MNIST_CLASSES,
  type IdxDatasetOptions,
  idxDataset,
  MNIST_CLASSES,
} from './data/idx.ts';
export {
  type ImageDecoder,
  type ImageFile,
  type ImagesOptions,
  imagesDataset,
  type TarImages,
  tarImages,
} from './data/images.ts';
export {
  type NpyArray,
  type NpyData,
  npyToTensor,
  parseNpy,
  parseNpz,
  type WriteNpyOptions,
  type WriteNpzOptions,
  writeNpy,
  writeNpz,
} from './data/npy.ts';
export type { Difficulty } from './data/shapes/picture.ts';
export { SHAPES_CLASSES, type ShapesOptions, shapes } from './data/shapes/shapes.ts';
export { DataError, DeviceError, TrainingError, UsageError } from './errors.ts';
export {
  type AccuracyAtEpsilon,
  type AccuracyUnderAttackOptions,
  accuracyUnderAttack,
  naturalAccuracy,
  type Proportion,
  proportion,
} from './evaluation/accuracy.ts';
export {
  type BoundTightness,
  type BoundTightnessOptions,
  boundTightness,
  type TightnessPoint,
} from './evaluation/bound-tightness.ts';
export { diameter, isExhausted, radiusLadder } from './evaluation/curve.ts';
export {
  type GradientAlignment,
  type GradientAlignmentOptions,
  gradientAlignment,
  type ImageAlignment,
  type ImageCosine,
  imageAlignment,
  type ObjectAlignment,
  objectAlignment,
} from './evaluation/explanations/alignment.ts';
export {
  type AttackStability,
  type AttackStabilityMeasure,
  type AttackStabilityOptions,
  attackStability,
} from './evaluation/explanations/attack-stability.ts';
export {
  type AverageDrop,
  type AverageGain,
  type AverageIncrease,
  averageDrop,
  averageGain,
  averageIncrease,
} from './evaluation/explanations/average-drop.ts';
export { type CompletenessMeasure, completeness } from './evaluation/explanations/completeness.ts';
export { type Complexity, complexity, type Sparseness, sparseness } from './evaluation/explanations/concentration.ts';
export { type Control, type ControlOptions, controlMeasure } from './evaluation/explanations/control.ts';
export { controlImages, trainControlModel } from './evaluation/explanations/control-model.ts';
export type { Estimate } from './evaluation/explanations/estimate.ts';
export type { Fill } from './evaluation/explanations/fill.ts';
export { attributionSparsity } from './evaluation/explanations/gradient-sparsity.ts';
export { type Infidelity, type InfidelityOptions, infidelity } from './evaluation/explanations/infidelity.ts';
export {
  type CurveOptions,
  type Deletion,
  deletion,
  type Insertion,
  insertion,
} from './evaluation/explanations/insertion-deletion.ts';
export {
  type LabelRandomisation,
  type LabelRandomisationOptions,
  type LearnedLabels,
  labelRandomisation,
} from './evaluation/explanations/label-randomisation.ts';
export type { Lead } from './evaluation/explanations/lead.ts';
export {
  type LocalizationAuc,
  localizationAuc,
  type PointingGame,
  pointingGame,
  type RelevanceMass,
  type RelevanceRank,
  relevanceMass,
  relevanceRank,
  type TopKIntersection,
  topKIntersection,
} from './evaluation/explanations/localization.ts';
export {
  type MapSimilarity,
  type MapSimilarityOptions,
  type MeanSimilarity,
  mapSimilarity,
  meanSimilarity,
} from './evaluation/explanations/map-similarity.ts';
export {
  type MaxSensitivity,
  type MaxSensitivityOptions,
  maxSensitivity,
} from './evaluation/explanations/max-sensitivity.ts';
export {
  type ExplanationMeasure,
  measureCatalogue,
  measuresFrom,
  type NamedMeasure,
} from './evaluation/explanations/measures.ts';
export {
  type DependenceOnParameters,
  type ParameterRandomisationOptions,
  parameterRandomisation,
  type RandomisationOrder,
  type RandomisedStage,
  type Redraw,
  withRandomLayers,
} from './evaluation/explanations/parameter-randomisation.ts';
export {
  type Order,
  type PixelFlipping,
  type PixelFlippingOptions,
  pixelFlipping,
} from './evaluation/explanations/pixel-flipping.ts';
export type { Watched } from './evaluation/explanations/replacement.ts';
export { type Road, type RoadOptions, road } from './evaluation/explanations/road.ts';
export {
  type MeasureScore,
  type MethodScores,
  type ScoreOptions,
  scoreMethod,
} from './evaluation/explanations/score.ts';
export { ssim } from './evaluation/explanations/ssim.ts';
export { fitDataset } from './evaluation/fit.ts';
export type { CheckId, HonestyCheck, Verdict } from './evaluation/honesty/check.ts';
export { checkHonesty, type HonestyOptions } from './evaluation/honesty/check-honesty.ts';
export { evaluateWithRepair, type RepairedEvaluation } from './evaluation/honesty/evaluate-with-repair.ts';
export {
  type GradientShares,
  measureShattering,
  type Sample,
  type Shattering,
} from './evaluation/honesty/gradients.ts';
export { findMasks, type Mask, type MaskSearch, surrogateFor } from './evaluation/honesty/masks.ts';
export type { EvaluationRecord } from './evaluation/honesty/record.ts';
export type { TrainingHistory } from './evaluation/honesty/training-checks.ts';
export {
  type DiscrepancyOptions,
  type InterpretationDiscrepancy,
  interpretationDiscrepancy,
} from './evaluation/interpretation-discrepancy.ts';
export {
  type AttackedImages,
  type AttackedPart,
  attackEach,
  type Judged,
  type Ledger,
  type LedgerAtEpsilon,
  type LedgerOptions,
  ledgerCsv,
} from './evaluation/ledger.ts';
export { type Localization, localization } from './evaluation/localization.ts';
export {
  type MapStability,
  type MapStabilityOptions,
  type MeanOverImages,
  mapStability,
} from './evaluation/map-stability.ts';
export { type MinimalDistances, minimalDistances } from './evaluation/minimal-distances.ts';
export {
  type Accuracies,
  type AccuraciesAtEpsilon,
  type EvaluationSummary,
  summaryOf,
} from './evaluation/summary.ts';
export { type TransferOptions, transferMatrix } from './evaluation/transfer.ts';
export {
  type CalibratedAttack,
  type Calibration,
  type CalibrationName,
  calibratedAttack,
  calibratedEpsilons,
  type EvaluateUnforeseenOptions,
  evaluateUnforeseen,
  type UnforeseenAttackRobustnessOptions,
  unforeseenAttackRobustness,
  unforeseenCalibrations,
} from './evaluation/unforeseen-attack-robustness.ts';
export { type ProjectOptions, project, sample } from './generative/project.ts';
export {
  type TrainVaeGanOptions,
  trainVaeGan,
  type VaeGanCheckpoint,
  type VaeGanCheckpointStore,
  type VaeGanEpoch,
  type VaeGanSettings,
  vaeGanSettings,
} from './generative/train-vae-gan.ts';
export { createVaeGan, type Part, readVaeGan, type VaeGan, writeVaeGan } from './generative/vae-gan.ts';
export { arrangeGrid, type Bitmap, upscale } from './image/bitmap.ts';
export {
  type AttributionOptions,
  type AttributionPicture,
  attributionDifference,
  attributionScale,
  renderAttribution,
  renderColorbar,
  renderImage,
  renderOverlay,
  renderPerturbation,
} from './image/render.ts';
export { centreSquare, resize } from './image/resample.ts';
export {
  type ArchitectureName,
  architectures,
  type CreateModelOptions,
  createModel,
} from './models/architectures/index.ts';
export type { Chunk } from './models/batching.ts';
export {
  type AppliedModel,
  Classifier,
  type ClassifierProgram,
  type ModelDescription,
  type ProgramContext,
} from './models/classifier.ts';
export { unfreeze } from './models/frozen.ts';
export type { Tail } from './models/graph-tail.ts';
export {
  type ClippedValue,
  type GradientCut,
  type GraphInspection,
  inspectGraph,
  type Oscillation,
  type SuspectNode,
} from './models/inspect-graph.ts';
export type { Network } from './models/layers.ts';
export { type ReadModelOptions, readModel, writeModelFile } from './models/load.ts';
export { type NewHeadOptions, withNewHead } from './models/new-head.ts';
export { argmaxRows, type PredictOptions, predict, predictLogits, softmaxRows } from './models/predict.ts';
export { type Detour, type GradientRepair, repaired } from './models/repair.ts';
export { withSoftplus } from './models/softplus.ts';
export { type WeightLayer, weightLayers } from './models/weight-layers.ts';
export {
  type ClassActivationHead,
  classActivationHead,
  classActivationMaps,
} from './objectives/class-activation-map.ts';
export { type Objective, type ObjectiveName, objectives } from './objectives/objectives.ts';
export type { Norm } from './optimize/ball.ts';
export type { Direction } from './optimize/direction.ts';
export type { Goal } from './optimize/judgement.ts';
export {
  type OptimizationStep,
  type OptimizedInput,
  type OptimizeInputOptions,
  optimizeInput,
  type StartRegion,
} from './optimize/optimize-input.ts';
export type { ProjectionName } from './optimize/project.ts';
export type { Keep, Momentum } from './optimize/steps.ts';
export type { Progress, Work } from './progress.ts';
export { createRandom, type Random } from './random.ts';
export { kendallTau, spearman, topIntersection } from './rank-correlation.ts';
export {
  type AttributionFigure,
  type AttributionFigureOptions,
  attributionFigure,
  type MapFigures,
  type SharedScale,
  type ShownCondition,
  type ShownModel,
} from './report/attribution-figure.ts';
export {
  type Caption,
  type ColorKey,
  drawPictureTable,
  type PictureCell,
  type PictureRow,
  type PictureTable,
} from './report/picture-table.ts';
export type {
  CompileOptions,
  DeviceName,
  ElementData,
  ElementType,
  HostTensor,
  Program,
  ResidentTensor,
  RunOptions,
  RunResult,
  Runtime,
} from './runtime/runtime.ts';
export { type Traversal, type TraversalStep, type TraverseOptions, traverse } from './synthesis/traversal.ts';
export { concatRows, type Tensor, takeRows } from './tensor.ts';
export type { Checkpoint, CheckpointStore, EpochRecord, Weights } from './training/checkpoint.ts';
export { clipByNorm, clipByValue, type GradientClipping } from './training/clipping.ts';
export type { Clock, TimeUnit } from './training/clock.ts';
export type { Finding, FindingName } from './training/detection.ts';
export {
  type InterpretationMethodName,
  type InterpretationOptions,
  interpretationMethod,
} from './training/interpretation-methods.ts';
export {
  type AdversarialOptions,
  type AttackingOptions,
  adversarial,
  type FreeOptions,
  fgsmRandomStart,
  free,
  type InnerMaximisation,
  mart,
  type Replays,
  standard,
  type TrainingMethod,
  trades,
  type WeightedOptions,
  type WeightPerturbation,
  withWeightPerturbation,
} from './training/method.ts';
export type { BoostedCrossEntropy } from './training/objectives/boosted-cross-entropy.ts';
export type { At } from './training/objectives/context.ts';
export type { CrossEntropy } from './training/objectives/cross-entropy.ts';
export type { Discrepancy } from './training/objectives/discrepancy.ts';
export type { Divergence } from './training/objectives/divergence.ts';
export type { Margin } from './training/objectives/margin.ts';
export type { PathGradient } from './training/objectives/path-gradient.ts';
export type { Term } from './training/objectives/terms.ts';
export { type AdamOptions, adam, adamw, type Optimizer, type SgdOptions, sgd } from './training/optimizer.ts';
export type { TrainOptions, TrainResult, Validation } from './training/options.ts';
export { type Ramp, ramp } from './training/ramp.ts';
export {
  constant,
  cosine,
  cyclic,
  exponential,
  multiStep,
  oneCycle,
  type Schedule,
  type ScheduleTiming,
  step,
} from './training/schedule.ts';
export type { Selection } from './training/selection.ts';
export { train } from './training/train.ts';
export { type WeightAveraging, weightAveraging } from './training/weight-averaging.ts';
