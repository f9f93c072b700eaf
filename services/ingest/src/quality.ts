import type { QualityFigures } from '@keepsake/media'

/** How good a picture is technically; 0..1 each, 1 is best. */
export interface QualityMarks {
  readonly sharpness: number
  readonly exposure: number
  readonly resolution: number
  readonly overall: number
}

/** Variances of the Laplacian between which a preview goes from soft to crisp (see QualityFigures). */
const SOFT = 20
const CRISP = 600
/** Megapixels between which a picture goes from thumbnail to enough for a full page. */
const SMALL_MP = 0.3
const PAGE_MP = 8

/** Weighs the raw figures of a picture. Looks are not judged here: a dusk photo loses some exposure and no more. */
export function qualityMarks(figures: QualityFigures, width: number, height: number): QualityMarks {
  const sharpness = share(Math.log(Math.max(figures.sharpness, 1)), Math.log(SOFT), Math.log(CRISP))
  const offMiddle = Math.max(0, Math.abs(figures.brightness - 0.48) - 0.18) / 0.3
  const clipped = Math.max(0, figures.clippedDark - 0.05) + Math.max(0, figures.clippedBright - 0.05)
  const flat = figures.contrast < 0.1 ? (0.1 - figures.contrast) * 5 : 0
  const exposure = clamp(1 - offMiddle - 1.5 * clipped - flat)
  const resolution = share(Math.log((width * height) / 1e6 + 1e-9), Math.log(SMALL_MP), Math.log(PAGE_MP))
  const overall = 0.5 * sharpness + 0.3 * exposure + 0.2 * resolution
  return {
    sharpness: round(sharpness),
    exposure: round(exposure),
    resolution: round(resolution),
    overall: round(overall),
  }
}

const clamp = (value: number) => Math.min(1, Math.max(0, value))
const share = (value: number, from: number, to: number) => clamp((value - from) / (to - from))
const round = (value: number) => Math.round(value * 1000) / 1000
