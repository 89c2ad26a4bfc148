/** Wrong use: a bad option or argument. The command line prints the message and exits with 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Data that cannot be read: missing, truncated, of the wrong kind, or with the wrong checksum. */
export class DataError extends Error {
  override name = 'DataError';
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'no permission',
  EISDIR: 'it is a folder, not a file',
};

/** Why a file could not be read or written, from an error of Node's file system. */
export function fileReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined ? error.message : (FILE_REASONS[code] ?? code);
}

/** A training that cannot go on: its loss is no number any more, and no epoch was finished before. */
export class TrainingError extends Error {
  override name = 'TrainingError';
}

/** A device that is not there, or that refuses a program. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}
