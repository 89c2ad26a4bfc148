/** @file The rooms of the workspace and which may import which (docs/architecture.md draws the same table). */

/**
 * Packages of the workspace, and the ones each may import.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const PACKAGES = { 'onnx-grad': [], tempered: ['onnx-grad'] };

/**
 * Rooms of `packages/tempered/src`, top to bottom. A file may import from its own room and from rows below; rooms that
 * share a row do not know each other.
 * @type {readonly (readonly string[])[]}
 */
export const ROWS = [
  ['cli', 'index.ts', 'node.ts', 'web.ts'],
  ['study', 'audit'],
  ['report'],
  ['runs'],
  ['evaluation'],
  ['attribution', 'generative', 'synthesis'],
  ['training'],
  // Below training, which attacks the images it trains on.
  ['attacks'],
  ['optimize'],
  ['objectives'],
  ['models'],
  ['data'],
  ['runtime'],
  ['statistics.ts', 'rank-correlation.ts'],
  ['image', 'random.ts'],
  ['tensor.ts', 'portable-math.ts', 'epsilon.ts', 'errors.ts', 'progress.ts'],
];

/** Entry points: `node.ts` and `web.ts` extend `index.ts`, which is in their row. */
export const ENTRIES_OVER_INDEX = ['node.ts', 'web.ts'];

/**
 * Files that run in Node only; everything else must run in browsers too.
 * @param {string} file relative to a package's `src`
 */
export function isNodeOnly(file) {
  const folders = file.split('/').slice(0, -1);
  return (
    folders.includes('node') ||
    ['cli', 'runs', 'study', 'audit'].includes(folders[0] ?? '') ||
    [
      'node.ts',
      'report/node-document.ts',
      'report/study-report.ts',
      'report/audit-report.ts',
      'report/score-report.ts',
      'report/roar-report.ts',
      'report/save-picture.ts',
    ].includes(file)
  );
}

/**
 * Modules that only Node has.
 * @param {string} specifier
 */
export const isNodeModule = (specifier) =>
  specifier.startsWith('node:') || ['sharp', 'jsdom', 'onnxruntime-node', 'commander'].includes(specifier);
