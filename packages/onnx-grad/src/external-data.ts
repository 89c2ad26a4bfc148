/** @file Tensors whose bytes lie in files beside the model. */
import { ModelError } from './errors.ts';

/** Gives the content of a file named in the model, relative to the model's folder. */
export type ExternalDataReader = (location: string) => Uint8Array;

/** The part of an external file that belongs to one tensor. */
export type ExternalData = (entries: Readonly<Record<string, string>>, what: string) => Uint8Array;

/** Reads each file once, and hands out views of it. */
export function externalDataSource(read: ExternalDataReader | undefined): ExternalData {
  const files = new Map<string, Uint8Array>();

  const open = (location: string, what: string): Uint8Array => {
    const known = files.get(location);
    if (known !== undefined) return known;
    if (read === undefined) {
      throw new ModelError(
        `the data of ${what} lie in the file '${location}' beside the model: pass the option externalData to read it`,
      );
    }
    let bytes: Uint8Array;
    try {
      bytes = read(location);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ModelError(`cannot read '${location}', which holds the data of ${what}: ${reason}`, { cause: error });
    }
    files.set(location, bytes);
    return bytes;
  };

  return (entries, what) => {
    const { location = '', offset = '0', length } = entries;
    checkLocation(location, what);
    const bytes = open(location, what);
    const start = byteCount(offset, what);
    const size = length === undefined ? bytes.byteLength - start : byteCount(length, what);
    if (start > bytes.byteLength || size > bytes.byteLength - start) {
      throw new ModelError(
        `'${location}' is truncated: ${what} needs bytes ${start} to ${start + size}, the file has ${bytes.byteLength}`,
      );
    }
    return bytes.subarray(start, start + size);
  };
}

/** A model must not name files outside its own folder. */
function checkLocation(location: string, what: string): void {
  const parts = location.split(/[\\/]/);
  if (location === '' || location.includes('\0') || /^([\\/]|[A-Za-z]:)/.test(location) || parts.includes('..')) {
    throw new ModelError(
      `the data of ${what} are said to lie in '${location}', which is not a file beside the model: refused`,
    );
  }
}

function byteCount(text: string, what: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count))
    throw new ModelError(`the external data of ${what} have the bad position '${text}'`);
  return count;
}
