import type { RgbImage } from '@keepsake/media'
import type { Affine } from './geometry.js'

/**
 * A decoded picture with halved copies of itself, made when first needed. A crop that shrinks a face reads from the copy next in
 * size, so that it costs the same whatever the face's size and does not alias.
 */
export class Picture {
  private readonly levels: RgbImage[]

  constructor(readonly full: RgbImage) {
    this.levels = [full]
  }

  get width(): number {
    return this.full.width
  }
  get height(): number {
    return this.full.height
  }

  /** Samples a crop of size x size RGB pixels; `map` gives each target pixel's place in the picture. What lies outside is black. */
  crop(map: Affine, size: number): Uint8Array {
    const target = new Uint8Array(size * size * 3)
    this.cropInto(map, size, target)
    return target
  }

  private cropInto(map: Affine, size: number, target: Uint8Array): void {
    const scale = Math.hypot(map.a, map.d)
    const level = Math.max(0, Math.floor(Math.log2(scale)))
    const image = this.level(level)
    // Pixel i of a level covers 2^level pixels of the picture, so centres move by half a pixel less half of that.
    const step = 2 ** level
    const shift = (0.5 - step / 2) / step
    const local: Affine = {
      a: map.a / step,
      b: map.b / step,
      c: map.c / step + shift,
      d: map.d / step,
      e: map.e / step,
      f: map.f / step + shift,
    }
    const samples = scale / step >= 1.5 ? 2 : 1
    sample(image, local, size, samples, target)
  }

  /** The picture halved `wanted` times. */
  level(wanted: number): RgbImage {
    while (this.levels.length <= wanted) this.levels.push(halve(this.levels.at(-1) as RgbImage))
    return this.levels[wanted] as RgbImage
  }
}

/** Mean of each 2x2 block. A last odd row or column is left out; a side of one pixel stays. */
export function halve({ data, width, height }: RgbImage): RgbImage {
  const w = Math.max(1, width >> 1)
  const h = Math.max(1, height >> 1)
  const out = new Uint8Array(w * h * 3)
  const right = width > 1 ? 3 : 0
  const below = height > 1 ? width * 3 : 0
  let target = 0
  for (let y = 0; y < h; y++) {
    let source = y * 2 * width * 3
    for (let x = 0; x < w; x++, source += 6) {
      for (let c = 0; c < 3; c++) {
        const at = source + c
        out[target++] =
          ((data[at] as number) +
            (data[at + right] as number) +
            (data[at + below] as number) +
            (data[at + below + right] as number) +
            2) >>
          2
      }
    }
  }
  return { data: out, width: w, height: h }
}

/** Bilinear, `samples` x `samples` points per target pixel. */
function sample({ data, width, height }: RgbImage, map: Affine, size: number, samples: number, out: Uint8Array): void {
  const { a, b, c, d, e, f } = map
  const row = width * 3
  const weight = 1 / (samples * samples)
  let target = 0
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let red = 0
      let green = 0
      let blue = 0
      for (let j = 0; j < samples; j++) {
        const dy = y + (j + 0.5) / samples - 0.5
        for (let i = 0; i < samples; i++) {
          const dx = x + (i + 0.5) / samples - 0.5
          const sx = a * dx + b * dy + c
          const sy = d * dx + e * dy + f
          const x0 = Math.floor(sx)
          const y0 = Math.floor(sy)
          if (x0 < -1 || y0 < -1 || x0 >= width || y0 >= height) continue
          const fx = sx - x0
          const fy = sy - y0
          const at = y0 * row + x0 * 3
          const isLeftIn = x0 >= 0
          const isRightIn = x0 + 1 < width
          if (y0 >= 0) {
            const wy = 1 - fy
            if (isLeftIn) {
              const w = wy * (1 - fx)
              red += w * (data[at] as number)
              green += w * (data[at + 1] as number)
              blue += w * (data[at + 2] as number)
            }
            if (isRightIn) {
              const w = wy * fx
              red += w * (data[at + 3] as number)
              green += w * (data[at + 4] as number)
              blue += w * (data[at + 5] as number)
            }
          }
          if (y0 + 1 < height) {
            const below = at + row
            if (isLeftIn) {
              const w = fy * (1 - fx)
              red += w * (data[below] as number)
              green += w * (data[below + 1] as number)
              blue += w * (data[below + 2] as number)
            }
            if (isRightIn) {
              const w = fy * fx
              red += w * (data[below + 3] as number)
              green += w * (data[below + 4] as number)
              blue += w * (data[below + 5] as number)
            }
          }
        }
      }
      out[target++] = red * weight + 0.5
      out[target++] = green * weight + 0.5
      out[target++] = blue * weight + 0.5
    }
  }
}

/** The crop as in a mirror. */
export function mirrored(crop: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(crop.length)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const source = (y * size + x) * 3
      const target = (y * size + size - 1 - x) * 3
      out[target] = crop[source] as number
      out[target + 1] = crop[source + 1] as number
      out[target + 2] = crop[source + 2] as number
    }
  }
  return out
}
