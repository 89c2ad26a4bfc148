/** Wrong use: a bad option or argument. The command line prints the message and exits with 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Data that cannot be read: missing, truncated, of the wrong kind, or with the wrong checksum. */
export class DataError extends Error {
  override name = 'DataError';
}

/** A device that is not there, or that refuses a program. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}
