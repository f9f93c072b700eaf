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
  const rows = new Float32Array(source.height * width * 3)
  for (let y = 0, target = 0; y < source.height; y++) {
    const row = y * source.width * 3
    for (let x = 0; x < width; x++) {
      let red = 0
      let green = 0
      let blue = 0
      let at = row + (across.first[x] as number) * 3
      const end = across.from[x + 1] as number
      for (let tap = across.from[x] as number; tap < end; tap++, at += 3) {
        const weight = across.weights[tap] as number
        red += weight * (source.data[at] as number)
        green += weight * (source.data[at + 1] as number)
        blue += weight * (source.data[at + 2] as number)
      }
      rows[target++] = red
      rows[target++] = green
      rows[target++] = blue
    }
  }
  return { data: sumRows(rows, width * 3, down, height), width, height }
}

/** Weights of each target pixel's taps, which lie side by side from `first[x]` on; taps of pixel x are `from[x]` to `from[x + 1]`. */
interface Filter {
  first: Int32Array
  from: Int32Array
  weights: Float32Array
}

function filter(source: number, target: number): Filter {
  const scale = source / target
  // How far a tap reaches: as far as a target pixel is wide, at least one source pixel.
  const reach = Math.max(1, scale)
  const first = new Int32Array(target)
  const from = new Int32Array(target + 1)
  const weights: number[] = []
  for (let x = 0; x < target; x++) {
    const centre = (x + 0.5) * scale - 0.5
    const low = Math.max(0, Math.ceil(centre - reach))
    const high = Math.min(source - 1, Math.floor(centre + reach))
    const taps = Array.from({ length: high - low + 1 }, (_, i) => Math.max(0, 1 - Math.abs(low + i - centre) / reach))
    const sum = taps.reduce((total, tap) => total + tap, 0)
    first[x] = low
    for (const tap of taps) weights.push(tap / sum)
    from[x + 1] = weights.length
  }
  return { first, from, weights: Float32Array.from(weights) }
}

function sumRows(rows: Float32Array, stride: number, down: Filter, height: number): Uint8Array {
  const data = new Uint8Array(height * stride)
  const line = new Float32Array(stride)
  for (let y = 0; y < height; y++) {
    line.fill(0.5)
    let at = (down.first[y] as number) * stride
    const end = down.from[y + 1] as number
    for (let tap = down.from[y] as number; tap < end; tap++, at += stride) {
      const weight = down.weights[tap] as number
      for (let i = 0; i < stride; i++) line[i] = (line[i] as number) + weight * (rows[at + i] as number)
    }
    data.set(line, y * stride)
  }
  return data
}
