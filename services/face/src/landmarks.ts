import { apply, boundsOf, centreOf, meanOf, sideOf, squareCrop, type Affine, type Box, type Point } from './geometry.js'

/** The 68 points of the iBUG layout, in pixels of the picture: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67. */
export type Landmarks = readonly Point[]

/** Side of the crops that the landmark network reads. */
export const LANDMARK_SIZE = 112

/** The crop for the first pass: the detector's box made square. */
export function firstLandmarkCrop(box: Box): Affine {
  return squareCrop(centreOf(box), sideOf(box), 0, LANDMARK_SIZE)
}

/** The crop for the second pass: as large, centred on the points of the first and turned so that the eyes are level. */
export function secondLandmarkCrop(box: Box, first: Landmarks): Affine {
  return squareCrop(centreOf(boundsOf(first)), sideOf(box), eyeAngle(first), LANDMARK_SIZE)
}

/** The network's answer, 68 x (x, y) in parts of the crop, as points of the picture. */
export function toLandmarks(values: Float32Array, crop: Affine): Landmarks {
  return Array.from({ length: 68 }, (_, i) =>
    apply(crop, {
      x: (values[2 * i] as number) * LANDMARK_SIZE - 0.5,
      y: (values[2 * i + 1] as number) * LANDMARK_SIZE - 0.5,
    }),
  )
}

export const leftEye = (points: Landmarks): Point => meanOf(points.slice(36, 42))
export const rightEye = (points: Landmarks): Point => meanOf(points.slice(42, 48))
export const mouth = (points: Landmarks): Point => meanOf(points.slice(48, 68))

/** Angle of the line from the left to the right eye, radians, clockwise positive (y points down). */
export function eyeAngle(points: Landmarks): number {
  const left = leftEye(points)
  const right = rightEye(points)
  return Math.atan2(right.y - left.y, right.x - left.x)
}

/** Left eye, right eye, tip of the nose, left and right corner of the mouth: what is stored of the 68. */
export function fivePoints(points: Landmarks): Point[] {
  return [leftEye(points), rightEye(points), at(points, 30), at(points, 48), at(points, 54)]
}

/** One of the 68 points. */
export function at(points: Landmarks, index: number): Point {
  const point = points[index]
  if (!point) throw new RangeError(`there is no landmark ${index}`)
  return point
}
