/** Largest absolute difference between two lists of the same length; Infinity when the lengths differ. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)))
  return largest
}

/**
 * How far an output of a converted model may be from the original's: about five times what was measured on random input
 * (models.md section 2); ages are years, facemesh values pixels up to 200.
 */
export const TOLERANCES: Readonly<Record<string, number>> = {
  boxes: 2e-5,
  scores: 2e-6,
  // Of the raw guesses 3e-5 are apart; in random pixels boxes are guessed several pictures wide.
  face_boxes: 3e-4,
  face_scores: 2e-5,
  detections: 1e-3,
  landmarks: 2e-6,
  embedding: 2e-6,
  age: 5e-5,
  gender: 2e-6,
  probabilities: 1e-6,
}
