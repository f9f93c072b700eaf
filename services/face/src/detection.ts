import type { Placement } from './letterbox.js'
import { areaOf, containment, heightOf, intersectionOverUnion, widthOf, type Box } from './geometry.js'

/** A face that a detector believes in. */
export interface Detection {
  box: Box
  /** 0 to 1; the detectors' scores are not on one scale. */
  score: number
  detector: 'wide' | 'closeUp' | 'pyramid'
  /** How sure, 0 to 1, a detector is of it that hardly finds faces which do not stand upright; 0 where it sees none. */
  upright: number
}

/** Below these scores a box is not looked at (models.md sections 3 and 4; measured again by detection.data.test.ts). */
export const THRESHOLDS = { wide: 0.3, closeUp: 0.5, pyramid: 0.5 } as const
/** Two boxes of one detector, or of both, that overlap more than this are one face. */
const SAME_FACE_IOU = 0.45
/** A box with this much of itself inside a better one is a part of that face. */
const SAME_FACE_CONTAINMENT = 0.8

const CLOSE_UP_GRID = 48
const CLOSE_UP_STRIDE = 4
const CLOSE_UP_WIDTH = 17

/** Faces from ssd_mobilenetv1: `boxes` y0, x0, y1, x1 in parts of 512 px. */
export function decodeWide(boxes: Float32Array, scores: Float32Array, { scale }: Placement): Detection[] {
  const found: Detection[] = []
  const size = 512 / scale
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number
    if (score < THRESHOLDS.wide) continue
    const at = i * 4
    const box = {
      x0: (boxes[at + 1] as number) * size,
      y0: (boxes[at] as number) * size,
      x1: (boxes[at + 3] as number) * size,
      y1: (boxes[at + 2] as number) * size,
    }
    if (areaOf(box) > 0) found.push({ box, score, detector: 'wide', upright: 0 })
  }
  return suppress(found)
}

/** Faces from facemesh_detection_full: rows of logit, centre, size and keypoints in pixels of 192, relative to a 48 x 48 grid. */
export function decodeCloseUp(rows: Float32Array, { scale, offsetX, offsetY }: Placement): Detection[] {
  const found: Detection[] = []
  for (let i = 0; i < rows.length / CLOSE_UP_WIDTH; i++) {
    const at = i * CLOSE_UP_WIDTH
    const score = 1 / (1 + Math.exp(-(rows[at] as number)))
    if (score < THRESHOLDS.closeUp) continue
    const x = ((i % CLOSE_UP_GRID) + 0.5) * CLOSE_UP_STRIDE + (rows[at + 1] as number) - offsetX
    const y = (Math.floor(i / CLOSE_UP_GRID) + 0.5) * CLOSE_UP_STRIDE + (rows[at + 2] as number) - offsetY
    const halfWidth = (rows[at + 3] as number) / 2
    const halfHeight = (rows[at + 4] as number) / 2
    const box = {
      x0: (x - halfWidth) / scale,
      y0: (y - halfHeight) / scale,
      x1: (x + halfWidth) / scale,
      y1: (y + halfHeight) / scale,
    }
    if (areaOf(box) > 0) found.push({ box, score, detector: 'closeUp', upright: score })
  }
  return suppress(found)
}

/** Faces from a pyramid's graph: `boxes` x0, y0, x1, y1 in parts of `size` px. */
export function decodePyramid(
  boxes: Float32Array,
  scores: Float32Array,
  size: number,
  { scale }: Placement,
): Detection[] {
  const found: Detection[] = []
  const side = size / scale
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number
    if (!(score >= THRESHOLDS.pyramid)) continue
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(4 * i, 4 * i + 4).map(value => value * side)
    const box = { x0, y0, x1, y1 }
    if (areaOf(box) > 0) found.push({ box, score, detector: 'pyramid', upright: score })
  }
  return suppress(found)
}

/**
 * The faces of both detectors, each once. Where both found a face the wide detector's box stays: crops, thresholds and age were measured on it.
 */
export function union(wide: readonly Detection[], closeUp: readonly Detection[]): Detection[] {
  const extra = closeUp.filter(candidate => !wide.some(face => isSameFace(face.box, candidate.box)))
  const confirmed = wide.map(face => ({
    ...face,
    upright: Math.max(0, ...closeUp.filter(other => isSameFace(face.box, other.box)).map(other => other.score)),
  }))
  return [...confirmed, ...extra]
}

/** Greedy non-maximum suppression: the best box stays, those that overlap it go. Order of the answer: best first. */
export function suppress(detections: readonly Detection[]): Detection[] {
  const kept: Detection[] = []
  const byScore = [...detections].sort((a, b) => b.score - a.score || a.box.x0 - b.box.x0 || a.box.y0 - b.box.y0)
  for (const candidate of byScore) if (!kept.some(face => isSameFace(face.box, candidate.box))) kept.push(candidate)
  return kept
}

function isSameFace(a: Box, b: Box): boolean {
  return intersectionOverUnion(a, b) > SAME_FACE_IOU || containment(a, b) > SAME_FACE_CONTAINMENT
}

/** Whether a box has the shape of a face and enough pixels: sides of at least `minSide` px of the decoded picture. */
export function isPlausibleBox(box: Box, minSide: number): boolean {
  const ratio = widthOf(box) / heightOf(box)
  return Math.min(widthOf(box), heightOf(box)) >= minSide && ratio > 0.4 && ratio < 2
}
