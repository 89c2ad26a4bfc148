export { GraphBuilder, type Slicing } from './builder.ts';
export { type DifferentiateOptions, differentiate, resolveNames } from './differentiate.ts';
export { ModelError, ShapeError, UnsupportedOpError } from './errors.ts';
export { gradient, type GradientOptions } from './gradient.ts';
export * from './graph.ts';
export type { Value, ValueType } from './value.ts';
