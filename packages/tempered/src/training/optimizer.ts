/** @file Update rules, written into the training graph; plain data describes them. */
import type { GraphBuilder, Value } from 'onnx-grad';

interface Moments {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export type Optimizer =
  | { readonly name: 'sgd'; readonly momentum: number; readonly nesterov: boolean; readonly weightDecay: number }
  | ({ readonly name: 'adam' } & Moments)
  | ({ readonly name: 'adamw' } & Moments);

export interface SgdOptions {
  /** Default 0.9. */
  momentum?: number;
  /** Steps along ∇ + weightDecay · w + momentum · v, with the velocity already updated. Default: false. */
  nesterov?: boolean;
  /** Default 0. */
  weightDecay?: number;
}

/**
 * Stochastic gradient descent: v ← momentum · v + (∇ + weightDecay · w); w ← w − rate · v. With Nesterov's momentum
 * w ← w − rate · (∇ + weightDecay · w + momentum · v), as in Sutskever et al. 2013 in the form of PyTorch.
 */
export function sgd({ momentum = 0.9, nesterov = false, weightDecay = 0 }: SgdOptions = {}): Optimizer {
  return { name: 'sgd', momentum, nesterov, weightDecay };
}

export type AdamOptions = Partial<Moments>;

/** Adam with bias correction; weight decay is added to the gradient. Kingma & Ba 2015, algorithm 1. */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamOptions = {}): Optimizer {
  return { name: 'adam', beta1, beta2, epsilon, weightDecay };
}

/** Adam with decoupled weight decay: each step also takes rate · weightDecay · w off. Loshchilov & Hutter 2019, algorithm 2. */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamOptions = {}): Optimizer {
  return { name: 'adamw', beta1, beta2, epsilon, weightDecay };
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

/** One parameter, its gradient and the optimiser's tensors for it, in the order of `stateNames`. */
export interface UpdateValues {
  parameter: Value;
  gradient: Value;
  state: readonly Value[];
  scalars: Record<string, Value>;
}

/** Writes one parameter's update; returns its next value and the next state, in the order of `stateNames`. */
export function writeUpdate(
  g: GraphBuilder,
  optimizer: Optimizer,
  { parameter, gradient, state, scalars }: UpdateValues,
): { parameter: Value; state: Value[] } {
  const { weightDecay } = optimizer;
  const withDecay = (value: Value) => (weightDecay === 0 ? value : g.add(value, g.scale(parameter, weightDecay)));
  const descend = (direction: Value) => g.sub(parameter, g.mul(scalars.learning_rate!, direction));
  if (optimizer.name === 'sgd') {
    const decayed = withDecay(gradient);
    const velocity = g.add(g.scale(state[0]!, optimizer.momentum), decayed);
    const direction = optimizer.nesterov ? g.add(decayed, g.scale(velocity, optimizer.momentum)) : velocity;
    return { parameter: descend(direction), state: [velocity] };
  }
  const { beta1, beta2, epsilon } = optimizer;
  const slope = optimizer.name === 'adam' ? withDecay(gradient) : gradient;
  const first = g.add(g.scale(state[0]!, beta1), g.scale(slope, 1 - beta1));
  const second = g.add(g.scale(state[1]!, beta2), g.scale(g.square(slope), 1 - beta2));
  const denominator = g.offset(g.sqrt(g.mul(second, scalars.second_correction!)), epsilon);
  const direction = g.div(g.mul(first, scalars.first_correction!), denominator);
  return {
    parameter: descend(optimizer.name === 'adamw' ? withDecay(direction) : direction),
    state: [first, second],
  };
}
