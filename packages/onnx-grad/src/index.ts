export { GraphBuilder, type Slicing } from './builder.ts';
export { type DifferentiateOptions, differentiate, resolveNames } from './differentiate.ts';
export { ModelError, ShapeError, UnsupportedOpError } from './errors.ts';
export { type GradientOptions, gradient } from './gradient.ts';
export * from './graph.ts';
export { type ParseOptions, parseModel } from './parse.ts';
export { type SpecializeOptions, specialize } from './specialize.ts';
export type { Value, ValueType } from './value.ts';
export { type WriteOptions, writeModel } from './write.ts';
