/** @file Update rules, written into the training graph; plain data describes them. */
import type { GraphBuilder, Value } from 'onnx-grad';

export type Optimizer =
  | { readonly name: 'sgd'; readonly momentum: number; readonly weightDecay: number }
  | {
      readonly name: 'adam';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly weightDecay: number;
    };

/** Stochastic gradient descent: v ← momentum · v + (∇ + weightDecay · w); w ← w − rate · v. */
export function sgd({ momentum = 0.9, weightDecay = 0 }: { momentum?: number; weightDecay?: number } = {}): Optimizer {
  return { name: 'sgd', momentum, weightDecay };
}

/** Adam with bias correction; weight decay is added to the gradient. Kingma & Ba 2015, algorithm 1. */
export function adam({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  weightDecay = 0,
}: {
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
} = {}): Optimizer {
  return { name: 'adam', beta1, beta2, epsilon, weightDecay };
}

/** Names of the tensors the optimiser keeps beside each parameter; all start at zero. */
export function stateNames(optimizer: Optimizer): readonly string[] {
  return optimizer.name === 'sgd' ? ['velocity'] : ['first_moment', 'second_moment'];
}

/** Factors that change from step to step, fed as scalars. `step` counts from 1. */
export function stepScalars(optimizer: Optimizer, step: number, learningRate: number): Record<string, number> {
  if (optimizer.name === 'sgd') return { learning_rate: learningRate };
  return {
    learning_rate: learningRate,
    first_correction: 1 / (1 - optimizer.beta1 ** step),
    second_correction: 1 / (1 - optimizer.beta2 ** step),
  };
}

/** Writes one parameter's update; returns its next value and the next state, in the order of `stateNames`. */
export function writeUpdate(
  g: GraphBuilder,
  optimizer: Optimizer,
  {
    parameter,
    gradient,
    state,
    scalars,
  }: { parameter: Value; gradient: Value; state: readonly Value[]; scalars: Record<string, Value> },
): { parameter: Value; state: Value[] } {
  const decayed = optimizer.weightDecay === 0 ? gradient : g.add(gradient, g.scale(parameter, optimizer.weightDecay));
  if (optimizer.name === 'sgd') {
    const velocity = g.add(g.scale(state[0]!, optimizer.momentum), decayed);
    return { parameter: g.sub(parameter, g.mul(scalars.learning_rate!, velocity)), state: [velocity] };
  }
  const { beta1, beta2, epsilon } = optimizer;
  const first = g.add(g.scale(state[0]!, beta1), g.scale(decayed, 1 - beta1));
  const second = g.add(g.scale(state[1]!, beta2), g.scale(g.square(decayed), 1 - beta2));
  const denominator = g.offset(g.sqrt(g.mul(second, scalars.second_correction!)), epsilon);
  const direction = g.div(g.mul(first, scalars.first_correction!), denominator);
  return { parameter: g.sub(parameter, g.mul(scalars.learning_rate!, direction)), state: [first, second] };
}
