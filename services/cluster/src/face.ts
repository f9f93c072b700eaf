/** A box in 0..1 of the oriented picture. */
export interface Box {
  x: number
  y: number
  w: number
  h: number
}

/** A stretch of a video in seconds. */
export interface TimeRange {
  start: number
  end: number
}

/**
 * One observed face as the decision sees it: a face in a photo, or a track through a video (one face with one identity, its embedding the
 * mean of its best crops).
 */
export interface Face {
  id: string
  mediaId: string
  /** 128 values, L2 norm 1. */
  embedding: Float32Array
  /** Predicted age in years. */
  age: number
  /** One standard deviation of the age, years. */
  ageSpread: number
  /** 0..1 from size, sharpness, pose and detector score. */
  quality: number
  box: Box
  /** Capture time in epoch milliseconds; absent where it is only the file's date, which proves nothing about age. */
  takenAt?: number
  /** Where a video track is seen; absent for a photo. */
  ranges?: readonly TimeRange[]
}

/** Share of the two boxes' union that both cover, 0..1. */
export function overlap(a: Box, b: Box): number {
  const w = Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x))
  const h = Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y))
  const both = w * h
  const union = a.w * a.h + b.w * b.h - both
  return union > 0 ? both / union : 0
}

/** Whether two tracks of one video are seen at the same time anywhere. A face without ranges is there all the time. */
export function simultaneous(a: Face, b: Face): boolean {
  if (!a.ranges?.length || !b.ranges?.length) return true
  return a.ranges.some(p => b.ranges!.some(q => p.start < q.end && q.start < p.end))
}
