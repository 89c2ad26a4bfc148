/**
 * A file's bytes as a data URI, for pages that must not need files beside them.
 *
 * @example dataUri(await encodePng(bitmap), 'image/png') // 'data:image/png;base64,…'
 */
export function dataUri(bytes: Uint8Array, type: 'image/png' | 'image/webp'): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `data:${type};base64,${btoa(binary)}`;
}
