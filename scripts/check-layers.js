/** @file Checks that imports point downwards; prints each that does not, and exits with 1. */
import { fileURLToPath } from 'node:url';
import { layerProblems } from './layer-problems.js';

const problems = layerProblems(fileURLToPath(new URL('..', import.meta.url)));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
