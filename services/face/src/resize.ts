import type { RgbImage } from '@keepsake/media'
import type { Picture } from './picture.js'

/**
 * Brings a picture to exactly this size: halved copies first, then a triangle filter as wide as the rest of the way (what libvips calls `linear`);
 * enlarging is bilinear. Ours and not a library's, so that faces are the same to the bit on every machine.
 */
export function resize(picture: Picture, width: number, height: number): RgbImage {
  let level = 0
  while (picture.width >> (level + 1) >= width && picture.height >> (level + 1) >= height) level++
  const source = picture.level(level)
  const across = filter(source.width, width)
  const down = filter(source.height, height)
  const data = new Uint8Array(width * height * 3)
  // One row at a time, first down, then across: the line stays in the cache, which halves the time.
  const line = new Float64Array(source.width * 3)
  for (let y = 0; y < height; y++) {
    sumRows(source.data, down, y, line)
    sumColumns(line, across, data, y * width * 3)
  }
  return { data, width, height }
}

/** Target pixel `x` is the sum of `taps` source pixels from `first[x]` on, by the weights from `x * taps` on. */
interface Filter {
  first: Int32Array
  weights: Float64Array
  taps: number
}

function filter(source: number, target: number): Filter {
  const scale = source / target
  // A tap reaches as far as a target pixel is wide, at least to the next source pixel.
  const reach = Math.max(1, scale)
  const taps = Math.min(source, Math.ceil(2 * reach))
  const first = new Int32Array(target)
  const weights = new Float64Array(target * taps)
  for (let x = 0; x < target; x++) {
    const centre = (x + 0.5) * scale - 0.5
    const low = Math.max(0, Math.min(source - taps, Math.floor(centre - reach) + 1))
    first[x] = low
    const triangle = Array.from({ length: taps }, (_, i) => Math.max(0, 1 - Math.abs(low + i - centre) / reach))
    const sum = triangle.reduce((total, weight) => total + weight, 0)
    triangle.forEach((weight, i) => (weights[x * taps + i] = weight / sum))
  }
  return { first, weights, taps }
}

/** Four rows at a time, in the order of the taps: the line is read and written a quarter as often, and the sum stays the same to the bit. */
function sumRows(data: Uint8Array, { first, weights, taps }: Filter, y: number, line: Float64Array): void {
  const { length } = line
  const top = (first[y] as number) * length
  const weightOf = (tap: number) => (tap < taps ? (weights[y * taps + tap] as number) : 0)
  for (let tap = 0; tap < taps; tap += 4) {
    const [w0, w1, w2, w3] = [weightOf(tap), weightOf(tap + 1), weightOf(tap + 2), weightOf(tap + 3)]
    // A row without weight is read from the first one's place: it may lie behind the picture's end.
    const rowOf = (offset: number, weight: number) => top + (tap + (weight === 0 ? 0 : offset)) * length
    const [r0, r1, r2, r3] = [rowOf(0, w0), rowOf(1, w1), rowOf(2, w2), rowOf(3, w3)]
    for (let i = 0; i < length; i++) {
      const before = tap === 0 ? 0 : (line[i] as number)
      line[i] =
        before +
        w0 * (data[r0 + i] as number) +
        w1 * (data[r1 + i] as number) +
        w2 * (data[r2 + i] as number) +
        w3 * (data[r3 + i] as number)
    }
  }
}

function sumColumns(line: Float64Array, { first, weights, taps }: Filter, data: Uint8Array, row: number): void {
  let target = row
  for (let x = 0; x < first.length; x++) {
    let at = (first[x] as number) * 3
    // The half rounds to the nearest whole number when the sum is stored in a byte.
    let red = 0.5
    let green = 0.5
    let blue = 0.5
    for (let tap = x * taps; tap < (x + 1) * taps; tap++, at += 3) {
      const weight = weights[tap] as number
      red += weight * (line[at] as number)
      green += weight * (line[at + 1] as number)
      blue += weight * (line[at + 2] as number)
    }
    data[target++] = red
    data[target++] = green
    data[target++] = blue
  }
}
