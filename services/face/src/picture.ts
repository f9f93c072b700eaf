import { giveBack } from '@keepsake/inference'
import type { RgbImage } from '@keepsake/media'
import { apply, type Affine } from './geometry.js'

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

  /** Gives the pixels back, those of the halved copies too; nothing can be read from it afterwards. */
  release(): void {
    for (const { data } of this.levels.splice(0)) giveBack(data)
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
    let top = y * 2 * width * 3
    let low = top + below
    // The channels by hand: a loop over them takes a fifth longer.
    for (let x = 0; x < w; x++, top += 6, low += 6, target += 3) {
      const east = top + right
      const south = low + right
      out[target] = (data[top]! + data[east]! + data[low]! + data[south]! + 2) >> 2
      out[target + 1] = (data[top + 1]! + data[east + 1]! + data[low + 1]! + data[south + 1]! + 2) >> 2
      out[target + 2] = (data[top + 2]! + data[east + 2]! + data[low + 2]! + data[south + 2]! + 2) >> 2
    }
  }
  return { data: out, width: w, height: h }
}

/** Bilinear, `samples` x `samples` points per target pixel. */
function sample(image: RgbImage, map: Affine, size: number, samples: number, out: Uint8Array): void {
  if (liesInside(image, map, size)) sampleInside(image, map, size, samples, out)
  else sampleClipped(image, map, size, samples, out)
}

/** Whether every sample of a crop has its four neighbours in the picture: then no bounds need to be looked at, which is twice as fast. */
function liesInside({ width, height }: RgbImage, map: Affine, size: number): boolean {
  const [low, high] = [-1, size]
  return [low, high].every(y =>
    [low, high].every(x => {
      const corner = apply(map, { x, y })
      return corner.x >= 0 && corner.y >= 0 && corner.x < width - 1 && corner.y < height - 1
    }),
  )
}

function sampleInside({ data, width }: RgbImage, map: Affine, size: number, samples: number, out: Uint8Array): void {
  const { a, b, c, d, e, f } = map
  const row = width * 3
  const share = 1 / (samples * samples)
  const step = 1 / samples
  const start = step / 2 - 0.5
  let target = 0
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let red = 0.5
      let green = 0.5
      let blue = 0.5
      for (let j = 0; j < samples; j++) {
        const dy = y + start + j * step
        for (let i = 0; i < samples; i++) {
          const dx = x + start + i * step
          const sx = a * dx + b * dy + c
          const sy = d * dx + e * dy + f
          const left = sx | 0
          const top = sy | 0
          const fx = sx - left
          const fy = (sy - top) * share
          const gy = share - fy
          const w00 = (1 - fx) * gy
          const w01 = fx * gy
          const w10 = (1 - fx) * fy
          const w11 = fx * fy
          const p = top * row + left * 3
          const q = p + row
          red +=
            w00 * (data[p] as number) +
            w01 * (data[p + 3] as number) +
            w10 * (data[q] as number) +
            w11 * (data[q + 3] as number)
          green +=
            w00 * (data[p + 1] as number) +
            w01 * (data[p + 4] as number) +
            w10 * (data[q + 1] as number) +
            w11 * (data[q + 4] as number)
          blue +=
            w00 * (data[p + 2] as number) +
            w01 * (data[p + 5] as number) +
            w10 * (data[q + 2] as number) +
            w11 * (data[q + 5] as number)
        }
      }
      out[target] = red
      out[target + 1] = green
      out[target + 2] = blue
      target += 3
    }
  }
}

/** The same where the crop reaches over the picture's edge: what lies outside is black. */
function sampleClipped(image: RgbImage, map: Affine, size: number, samples: number, out: Uint8Array): void {
  const { data, width, height } = image
  const share = 1 / (samples * samples)
  const start = 0.5 / samples - 0.5
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sum = [0.5, 0.5, 0.5]
      for (let point = 0; point < samples * samples; point++) {
        const place = apply(map, {
          x: x + start + (point % samples) / samples,
          y: y + start + Math.floor(point / samples) / samples,
        })
        const left = Math.floor(place.x)
        const top = Math.floor(place.y)
        for (let corner = 0; corner < 4; corner++) {
          const column = left + (corner & 1)
          const row = top + (corner >> 1)
          if (column < 0 || row < 0 || column >= width || row >= height) continue
          const weight = (1 - Math.abs(place.x - column)) * (1 - Math.abs(place.y - row)) * share
          const at = (row * width + column) * 3
          for (let channel = 0; channel < 3; channel++)
            sum[channel] = (sum[channel] as number) + weight * (data[at + channel] as number)
        }
      }
      out.set(sum, (y * size + x) * 3)
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
