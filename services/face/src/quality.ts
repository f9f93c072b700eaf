import { clamp, frontality, type Pose } from './attributes.js'

/** Side of a face in pixels of the decoded picture: from here on it counts, and from there on more pixels help no more. */
const SMALL_SIDE = 20
const LARGE_SIDE = 160
/** Mean absolute Laplacian over mean contrast of a soft and of a crisp face, measured on 112 px crops of the shared data. */
const SOFT = 0.06
const CRISP = 0.35

/** Sharpness of a face crop, 0 to 1: how strong its finest detail is against its contrast, so that dim light alone is no fault. */
export function sharpnessOf(crop: Uint8Array, size: number): number {
  const luma = new Float32Array(size * size)
  let mean = 0
  for (let i = 0; i < luma.length; i++) {
    const at = i * 3
    const value = 0.299 * (crop[at] as number) + 0.587 * (crop[at + 1] as number) + 0.114 * (crop[at + 2] as number)
    luma[i] = value
    mean += value / luma.length
  }
  let detail = 0
  let contrast = 0
  for (let y = 1; y < size - 1; y++) {
    for (let x = 1; x < size - 1; x++) {
      const at = y * size + x
      const value = luma[at] as number
      const around =
        (luma[at - 1] as number) + (luma[at + 1] as number) + (luma[at - size] as number) + (luma[at + size] as number)
      detail += Math.abs(4 * value - around)
      contrast += Math.abs(value - mean)
    }
  }
  // A crop without any contrast (a blank wall, a black frame) shows no detail either.
  const ratio = contrast < size * size ? 0 : detail / contrast
  return clamp((ratio - SOFT) / (CRISP - SOFT))
}

/** How good a face is to recognise and to show, 0 to 1: the product of size, sharpness, pose and detector score, each with a floor. */
export function qualityOf(face: { side: number; sharpness: number; pose: Pose; score: number }): number {
  const size = clamp(Math.log(face.side / SMALL_SIDE) / Math.log(LARGE_SIDE / SMALL_SIDE))
  const softened = (value: number, floor: number) => floor + (1 - floor) * value
  return (
    softened(size, 0.1) *
    softened(face.sharpness, 0.3) *
    softened(frontality(face.pose), 0.1) *
    softened(face.score, 0.3)
  )
}
