/** The compositor's kernels in plain TypeScript, to the byte what kernel/film.ts does. Tests compare the two; nothing else uses it. */
import { COLUMN_UNIT, ROW_UNIT, cubicTaps } from './kernel-tables.js'

/** One 8-bit plane without padding. */
export interface PlaneBytes {
  bytes: Uint8Array
  width: number
  height: number
}

const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high)
const byte = (v: number): number => clamp(v, 0, 255)
const short = (v: number): number => clamp(v, -32768, 32767)
/** Adds as 16-bit lanes do: without saturation. */
const wrap = (v: number): number => (v << 16) >> 16

/** Bicubic resample of a window of a plane. */
export function resampleReference(
  source: PlaneBytes,
  window: { x: number; y: number; w: number; h: number },
  width: number,
  height: number,
): PlaneBytes {
  const columns = cubicTaps(width, window.x, window.w / width, ROW_UNIT)
  const rows = cubicTaps(height, window.y, window.h / height, COLUMN_UNIT)
  const sums = new Int16Array(width * source.height)
  for (let y = 0; y < source.height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0
      for (let k = 0; k < 4; k++) {
        const at = clamp(columns.first[x]! + k, 0, source.width - 1)
        sum = wrap(sum + source.bytes[y * source.width + at]! * columns.weights[x * 4 + k]!)
      }
      sums[y * width + x] = sum
    }
  }
  const bytes = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0
      for (let k = 0; k < 4; k++) {
        const at = clamp(rows.first[y]! + k, 0, source.height - 1)
        sum = wrap(sum + short((sums[at * width + x]! * rows.weights[y * 4 + k]! + 16384) >> 15))
      }
      bytes[y * width + x] = byte(wrap(sum + 8) >> 4)
    }
  }
  return { bytes, width, height }
}

/** Cross-fade of two frames; `weight` 0..256 is the share of `b`. */
export function blendReference(a: Uint8Array, b: Uint8Array, weight: number): Uint8Array {
  return a.map((v, i) => (v * (256 - weight) + b[i]! * weight + 128) >> 8)
}

/** Lays a coloured layer over a plane in place. */
export function overlayReference(plane: Uint8Array, colour: Uint8Array, mask: Uint8Array, opacity: number): void {
  for (const [i, m] of mask.entries()) {
    if (m === 0) continue
    const d = plane[i]!
    plane[i] = d + (((colour[i]! - d) * ((m * opacity) >> 8) + 128) >> 8)
  }
}

/** sRGB bytes to BT.709 limited planes Y, U, V in one array. */
export function planesReference(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const n = width * height
  const out = new Uint8Array(n + n / 2)
  for (let i = 0; i < n; i++) {
    out[i] = (rgb[i * 3]! * 11966 + rgb[i * 3 + 1]! * 40254 + rgb[i * 3 + 2]! * 4064 + 1081344) >> 16
  }
  let u = n
  let v = n + n / 4
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const p = (y * width + x) * 3
      const q = p + width * 3
      const sum = (c: number): number => rgb[p + c]! + rgb[p + 3 + c]! + rgb[q + c]! + rgb[q + 3 + c]!
      const [r, g, b] = [sum(0), sum(1), sum(2)]
      out[u++] = ((-6596 * r - 22188 * g + 28784 * b + 131072) >> 18) + 128
      out[v++] = ((28784 * r - 26145 * g - 2639 * b + 131072) >> 18) + 128
    }
  }
  return out
}
