/** @file Every operator of the gradient library, with the forms in which its rules and common classifiers use it. */
import { elementwiseCases } from './elementwise.ts';
import { layerCases } from './layers.ts';
import { movementCases } from './movement.ts';
import type { OperatorCase } from './operator-case.ts';
import { reductionCases } from './reduction.ts';

export const operatorCases: readonly OperatorCase[] = [
  ...elementwiseCases,
  ...reductionCases,
  ...movementCases,
  ...layerCases,
];
