/** Where each output pixel of a resampled row or column reads, and with what weights. Shared by the WASM kernel and its reference. */

/** Four taps for each output along one axis. `first` may lie outside the source: rows are clamped when read. */
export interface Taps {
  /** Source index of the first of four taps. */
  first: Int32Array
  /** Four weights for each output. */
  weights: Int16Array
}

/** Catmull-Rom taps for outputs `i` at source position `from + (i + 0.5) * step - 0.5`; the four weights add up to `unit`. */
export function cubicTaps(count: number, from: number, step: number, unit: number): Taps {
  const first = new Int32Array(count)
  const weights = new Int16Array(count * 4)
  for (let i = 0; i < count; i++) {
    const centre = from + (i + 0.5) * step - 0.5
    const whole = Math.floor(centre)
    const t = centre - whole
    const t2 = t * t
    const t3 = t2 * t
    const w0 = Math.round((-0.5 * t3 + t2 - 0.5 * t) * unit)
    const w2 = Math.round((-1.5 * t3 + 2 * t2 + 0.5 * t) * unit)
    const w3 = Math.round((0.5 * t3 - 0.5 * t2) * unit)
    first[i] = whole - 1
    weights[i * 4] = w0
    weights[i * 4 + 1] = unit - w0 - w2 - w3
    weights[i * 4 + 2] = w2
    weights[i * 4 + 3] = w3
  }
  return { first, weights }
}

/** Weights along a row add up to 64 (products stay inside 16 bits), along a column to 8192 (Q13 for the rounding multiply). */
export const ROW_UNIT = 64
export const COLUMN_UNIT = 8192
