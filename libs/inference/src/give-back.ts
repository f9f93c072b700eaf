/**
 * Frees the memory of an array that nobody reads any more, now instead of at some collection: V8 lets some 64 MiB of pixels lie in each thread before it looks for
 * them, and stops everything to do so. The array is empty afterwards. One that shares its buffer with others is left alone.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength && !buffer.detached) buffer.transfer(0)
}
