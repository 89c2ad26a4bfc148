import type { ModelDescription } from '../models/classifier.ts';
import type { EpochRecord } from '../training/checkpoint.ts';
import { ballOf } from './train-plan.ts';
import type { TrainConfiguration } from './train-schema.ts';

/** The model with how it was trained in the metadata of its file; `record` is the epoch it comes from. */
export function withTrainingMetadata(
  model: ModelDescription,
  configuration: TrainConfiguration,
  record: EpochRecord | undefined,
): ModelDescription {
  const { method, epochs, seed, data, init } = configuration;
  const ball = ballOf(configuration);
  const notes: Record<string, string | number | undefined> = {
    method: method.name,
    ...('epsilon' in method && { epsilon: method.epsilon, norm: 'norm' in method ? method.norm : 'linf' }),
    epochs: record?.epoch,
    planned_epochs: epochs,
    seed,
    data,
    init,
    natural_accuracy: record?.naturalAccuracy,
    ...(record?.robustAccuracy !== undefined && {
      robust_accuracy: record.robustAccuracy,
      robust_accuracy_norm: ball.norm,
      robust_accuracy_epsilon: ball.epsilon,
    }),
  };
  const metadata = { ...model.graph.metadata };
  for (const [name, value] of Object.entries(notes))
    if (value !== undefined) metadata[`tempered.${name}`] = String(value);
  return { ...model, graph: { ...model.graph, metadata } };
}
