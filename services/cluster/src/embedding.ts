import { DIMENSIONS } from './age-groups.js'

/** Bytes of one value. */
const VALUE = 4

/**
 * Why the bytes of an embedding cannot be compared with anything: too few or too many, a value that is no number, or nothing but zeros; undefined where
 * they are sound. An embedding is 128 little-endian floats.
 */
export function flawOf(bytes: Uint8Array): string | undefined {
  if (bytes.length !== DIMENSIONS * VALUE)
    return `its embedding has ${bytes.length} bytes instead of ${DIMENSIONS * VALUE}`
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let length = 0
  for (let k = 0; k < DIMENSIONS; k++) {
    const value = view.getFloat32(k * VALUE, true)
    if (!Number.isFinite(value)) return `value ${k} of its embedding is no number`
    length += value * value
  }
  return length > 0 ? undefined : 'its embedding is nothing but zeros'
}
