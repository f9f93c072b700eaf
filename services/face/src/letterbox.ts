import { giveBack } from '@keepsake/inference'
import type { RgbImage } from '@keepsake/media'
import { Picture } from './picture.js'
import { resize } from './resize.js'

/** Where a fitted picture lies: its pixel p at `p * scale + offset`. */
export interface Placement {
  scale: number
  offsetX: number
  offsetY: number
}

/** A picture fitted into a black square. */
export interface Letterbox extends Placement {
  pixels: Uint8Array
  /** The fitted picture by itself. */
  picture: Picture
}

/** Side of what SSD reads, px. */
const WIDE_SIZE = 512
/** Side of what BlazeFace reads, px. */
export const CLOSE_UP_SIZE = 192
/** Black around it on each side, in parts of the picture: close-ups that fill the frame are found only so (models.md section 4). */
const BORDER = 0.4

/** Top left in 512 x 512, as SSD was trained. A picture smaller than that is enlarged: the detector was trained on faces of a certain size. */
export function wideLetterbox(picture: Picture): Letterbox {
  return topLeft(picture, WIDE_SIZE)
}

/** What BlazeFace reads where it is asked how a picture stands: with the border for close-ups, and as large as it goes for small faces. */
export function closeUpLetterboxes(picture: Picture): Letterbox[] {
  const large = topLeft(picture, CLOSE_UP_SIZE)
  return [large, closeUpLetterbox(large)]
}

/**
 * Centred in 192 x 192 with a border of 40 % on each side. Made from what SSD reads rather than from the picture, which costs a tenth and moves no
 * box that matters.
 */
export function closeUpLetterbox(wide: Letterbox): Letterbox {
  const { width, height } = wide.picture
  const shrink = CLOSE_UP_SIZE / (Math.max(width, height) * (1 + 2 * BORDER))
  const image = fitted(wide.picture, shrink)
  const [offsetX, offsetY] = [(CLOSE_UP_SIZE - image.width) >> 1, (CLOSE_UP_SIZE - image.height) >> 1]
  return place(image, CLOSE_UP_SIZE, wide.scale * shrink, offsetX, offsetY)
}

/** Top left in `size` x `size`. */
export function pyramidLetterbox(picture: Picture, size: number): Letterbox {
  return topLeft(picture, size)
}

/** Gives back the memory of one that nobody reads any more. */
export function release({ pixels, picture }: Letterbox): void {
  giveBack(pixels)
  picture.release()
}

function topLeft(picture: Picture, size: number): Letterbox {
  const scale = size / Math.max(picture.width, picture.height)
  return place(fitted(picture, scale), size, scale, 0, 0)
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
  return { pixels, picture: new Picture(image), scale, offsetX, offsetY }
}
