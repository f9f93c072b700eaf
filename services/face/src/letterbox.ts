import { giveBack } from '@keepsake/inference'
import type { RgbImage } from '@keepsake/media'
import { Picture } from './picture.js'
import { resize } from './resize.js'

/** A picture fitted into a black square: pixel p of the picture lies at `p * scale + offset`. */
export interface Letterbox {
  pixels: Uint8Array
  scale: number
  offsetX: number
  offsetY: number
}

/** What the two detectors read. */
export interface DetectorInputs {
  /** Top left in 512 x 512, as SSD was trained. */
  wide: Letterbox
  /** Centred in 192 x 192 with a border of 40 % on each side: close-ups that fill the frame are found only so (models.md section 4). */
  closeUp: Letterbox
}

const WIDE_SIZE = 512
const CLOSE_UP_SIZE = 192
const BORDER = 0.4

/**
 * Fits a picture for both detectors. The small one is made from the large one, which costs a tenth and moves no box that matters.
 * A picture smaller than 512 px is enlarged, as the detector was trained on faces of a certain size.
 */
export function detectorInputs(picture: Picture): DetectorInputs {
  const longSide = Math.max(picture.width, picture.height)
  const wideScale = WIDE_SIZE / longSide
  const wide = fitted(picture, wideScale)
  const closeUpScale = CLOSE_UP_SIZE / (longSide * (1 + 2 * BORDER))
  const fittedWide = new Picture(wide)
  const closeUp = fitted(fittedWide, closeUpScale / wideScale)
  const inputs = {
    wide: place(wide, WIDE_SIZE, wideScale, 0, 0),
    closeUp: place(
      closeUp,
      CLOSE_UP_SIZE,
      closeUpScale,
      (CLOSE_UP_SIZE - closeUp.width) >> 1,
      (CLOSE_UP_SIZE - closeUp.height) >> 1,
    ),
  }
  fittedWide.release()
  giveBack(closeUp.data)
  return inputs
}

function fitted(picture: Picture, scale: number): RgbImage {
  const width = Math.max(1, Math.round(picture.width * scale))
  const height = Math.max(1, Math.round(picture.height * scale))
  return resize(picture, width, height)
}

function place(image: RgbImage, size: number, scale: number, offsetX: number, offsetY: number): Letterbox {
  const pixels = new Uint8Array(size * size * 3)
  const row = image.width * 3
  for (let y = 0; y < image.height; y++)
    pixels.set(image.data.subarray(y * row, (y + 1) * row), ((y + offsetY) * size + offsetX) * 3)
  return { pixels, scale, offsetX, offsetY }
}
