/** @file Where downloaded data sets are kept. */

import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The cache folder: `TEMPERED_CACHE` if set, else `%LOCALAPPDATA%\tempered` on Windows and `$XDG_CACHE_HOME/tempered` or
 * `~/.cache/tempered` elsewhere.
 */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (environment.TEMPERED_CACHE) return environment.TEMPERED_CACHE;
  if (platform === 'win32') {
    return join(environment.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'tempered');
  }
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tempered');
}
