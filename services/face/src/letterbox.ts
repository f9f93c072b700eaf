import type { RgbImage } from '@keepsake/media'
import sharp from 'sharp'

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
 * Fits a picture for both detectors. The kernel is part of the contract: boxes and embeddings move with it, so it is named and sharp is pinned.
 * The small one is made from the large one, which costs a tenth and moves no box that matters.
 */
export async function detectorInputs(image: RgbImage): Promise<DetectorInputs> {
  const wideScale = Math.min(WIDE_SIZE / image.width, WIDE_SIZE / image.height)
  const wide = await shrink(image, wideScale)
  const closeUpScale = CLOSE_UP_SIZE / (Math.max(image.width, image.height) * (1 + 2 * BORDER))
  const closeUp = await shrink(wide, closeUpScale / wideScale)
  return {
    wide: place(wide, WIDE_SIZE, wideScale, 0, 0),
    closeUp: place(
      closeUp,
      CLOSE_UP_SIZE,
      closeUpScale,
      (CLOSE_UP_SIZE - closeUp.width) >> 1,
      (CLOSE_UP_SIZE - closeUp.height) >> 1,
    ),
  }
}

async function shrink(image: RgbImage, scale: number): Promise<RgbImage> {
  const width = Math.max(1, Math.round(image.width * scale))
  const height = Math.max(1, Math.round(image.height * scale))
  const raw = { width: image.width, height: image.height, channels: 3 as const }
  const data = await sharp(image.data, { raw })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer()
  return { data, width, height }
}

function place(image: RgbImage, size: number, scale: number, offsetX: number, offsetY: number): Letterbox {
  const pixels = new Uint8Array(size * size * 3)
  const row = image.width * 3
  for (let y = 0; y < image.height; y++)
    pixels.set(image.data.subarray(y * row, (y + 1) * row), ((y + offsetY) * size + offsetX) * 3)
  return { pixels, scale, offsetX, offsetY }
}
