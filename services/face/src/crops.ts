import { centreOf, distance, sideOf, squareCrop, type Affine, type Box } from './geometry.js'
import { leftEye, mouth, rightEye, type Landmarks } from './landmarks.js'

/** Side of the crop that the recognition network reads. */
export const RECOGNITION_SIZE = 150
/** Side of the crop that the age and expression networks read. */
export const ATTRIBUTE_SIZE = 112

/**
 * face-api's own crop for recognition, not turned: its size is the mean distance from eyes to mouth over 0.45, and the mean of eyes and mouth lies
 * at 0.5, 0.43 of it. On labelled sets it is as good as dlib's turned crop (models.md section 4).
 */
export function recognitionCrop(points: Landmarks): Affine {
  const left = leftEye(points)
  const right = rightEye(points)
  const lips = mouth(points)
  const size = Math.max(1, Math.floor((distance(lips, left) + distance(lips, right)) / 2 / 0.45))
  const x = (left.x + right.x + lips.x) / 3 - 0.5 * size
  const y = (left.y + right.y + lips.y) / 3 - 0.43 * size
  const scale = size / RECOGNITION_SIZE
  return { a: scale, b: 0, c: x, d: 0, e: scale, f: y }
}

/** The detector's box made square: slightly better for age than face-api's crop (models.md section 3). */
export function attributeCrop(box: Box): Affine {
  return squareCrop(centreOf(box), sideOf(box), 0, ATTRIBUTE_SIZE)
}

/** The face with some of its surroundings, for showing: `size` pixels of a square 1.6 times the box. One that lies on its side, by its roll in degrees, is set up. */
export function portraitCrop(box: Box, roll: number, size: number): Affine {
  return squareCrop(centreOf(box), sideOf(box) * 1.6, (Math.round(roll / 90) * Math.PI) / 2, size)
}
