/** @file Finds imports that point upwards, from room to room and from package to package. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import ts from 'typescript';
import { ENTRIES_OVER_INDEX, isNodeModule, isNodeOnly, PACKAGES, ROWS } from './layers.js';

/**
 * @param {string} root of the workspace
 * @returns {string[]} violations, one line each
 */
export function layerProblems(root) {
  return Object.keys(PACKAGES).flatMap((name) => packageProblems(root, name));
}

/**
 * @param {string} root of the workspace
 * @param {string} name of a package
 * @returns {string[]} violations, one line each
 */
function packageProblems(root, name) {
  const source = join(root, 'packages', name, 'src');
  if (!existsSync(source)) return [];
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split(sep).join('/'))
    .filter((file) => /\.(ts|js)$/.test(file) && !isTest(file))
    .flatMap((file) => {
      const path = join(source, file);
      const shown = relative(root, path).split(sep).join('/');
      return importsOf(readFileSync(path, 'utf8')).flatMap(({ specifier, line }) =>
        violations(name, file, specifier).map((message) => `${shown}:${line}: ${message}`),
      );
    });
}

/** @param {string} file */
function isTest(file) {
  return /\.test\.ts$/.test(file) || file.split('/').includes('testing');
}

/**
 * @param {string} text of a module
 * @returns {{ specifier: string, line: number }[]} static and dynamic imports, and workers by URL
 */
function importsOf(text) {
  const imports = ts.preProcessFile(text).importedFiles.map(({ fileName, pos }) => ({ specifier: fileName, pos }));
  const workers = [...text.matchAll(/new URL\(\s*'(\.[^']+\.[jt]s)'/g)].map((match) => ({
    specifier: match[1] ?? '',
    pos: match.index,
  }));
  return [...imports, ...workers].map(({ specifier, pos }) => ({
    specifier,
    line: text.slice(0, pos).split('\n').length,
  }));
}

/**
 * @param {string} name of the importing package
 * @param {string} file importing, relative to the package's `src`
 * @param {string} specifier imported
 * @returns {string[]}
 */
function violations(name, file, specifier) {
  if (!specifier.startsWith('.')) return outsideViolations(name, file, specifier);
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (target.startsWith('..')) return [`'${specifier}' lies outside the package's src: import the package by its name`];
  const found = [];
  if (name === 'tempered' && !mayImport(roomOf(file), roomOf(target))) {
    found.push(roomProblem(roomOf(file), roomOf(target)));
  }
  if (!isNodeOnly(file) && isNodeOnly(target)) {
    found.push(`runs in browsers, but imports '${target}', which needs Node`);
  }
  return found;
}

/**
 * @param {string} name
 * @param {string} file
 * @param {string} specifier
 */
function outsideViolations(name, file, specifier) {
  const dependency = specifier.split('/')[0] ?? specifier;
  if (dependency in PACKAGES && !PACKAGES[name]?.includes(dependency)) {
    return [`package '${name}' must not import package '${dependency}'`];
  }
  if (isNodeModule(specifier) && !isNodeOnly(file)) {
    return [
      `runs in browsers, but imports '${specifier}', which needs Node: move it to a folder named node/, or see scripts/layers.js`,
    ];
  }
  return [];
}

/** @param {string} file */
function roomOf(file) {
  return file.split('/')[0] ?? file;
}

/** @param {string} room */
function rowOf(room) {
  return ROWS.findIndex((row) => row.includes(room));
}

/**
 * @param {string} from
 * @param {string} to
 */
function mayImport(from, to) {
  if (rowOf(from) < 0 || rowOf(to) < 0) return false;
  if (ENTRIES_OVER_INDEX.includes(from) && to === 'index.ts') return true;
  return from === to || rowOf(from) < rowOf(to);
}

/**
 * @param {string} from
 * @param {string} to
 */
function roomProblem(from, to) {
  const unknown = [from, to].find((room) => rowOf(room) < 0);
  if (unknown !== undefined) return `room '${unknown}' is not in the table of scripts/layers.js`;
  const where = rowOf(from) === rowOf(to) ? 'in the same row' : 'above it';
  return `room '${from}' must not import room '${to}', which is ${where} in scripts/layers.js`;
}
