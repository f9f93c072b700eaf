import { encode as encodeBlurhash } from 'blurhash'
import sharp, { type Sharp } from 'sharp'
import { decodeImage, openImage, raw, turn, type OpenImage } from './image-input.js'
import type {
  DecodedImage,
  DecodeRgbOptions,
  RenderedImage,
  RenderImageJob,
  Rendition,
  RgbImage,
} from './image-types.js'
import { liveMarkers, type LiveMarkers } from './live-photo.js'
import { dHash, dHashSize, pHash, pHashSide } from './perceptual-hash.js'
import { measureQuality } from './quality.js'

/** Long side of a preview, px. */
export const previewSide = 2048

/** Thumbnails: short side, and the most that the long side of a panorama may have, px. */
export const thumbnailSide = { short: 320, long: 640 } as const

/** Pictures are measured at this long side, px. */
const measuredSide = 1024

/** WebP of the renditions. Effort 2 takes 0.6 of the CPU time of effort 4 for 3 % more bytes (77 and 126 ms a preview, 13 photos of 12 to 24 MP). */
const webp = { preview: { quality: 80, effort: 2 }, thumbnail: { quality: 75, effort: 2 } } as const

/** One decode at preview size; everything else is made from those pixels. */
export async function renderImage(job: RenderImageJob, maxPixels: number): Promise<RenderedImage> {
  const rotation = job.rotation ?? 0
  const { opened, picture, flawed, live } = await source(job, maxPixels)
  const upright = await turn(picture, rotation)
  const swapped = rotation === 90 || rotation === 270
  // One after the other: there is a child for each picture that is worked on, and two steps at once take the cores from the next one's.
  const preview = await rendition(upright, webp.preview)
  const small = await thumbnailPixels(upright)
  const grey = await greyOf(small)
  const measured = await fitted(upright, measuredSide)
  return {
    ...(opened.format ? { format: opened.format } : {}),
    width: swapped ? opened.height : opened.width,
    height: swapped ? opened.width : opened.height,
    thumbnail: await rendition(small, webp.thumbnail),
    preview,
    blurhash: await blurhash(small),
    dHash: dHash(await stretched(grey, dHashSize.width, dHashSize.height)),
    pHash: pHash(await stretched(grey, pHashSide, pHashSide)),
    quality: measureQuality(measured),
    pages: opened.pages,
    hasAlpha: opened.hasAlpha,
    flawed,
    ...(live === undefined ? {} : { live }),
  }
}

/** Upright pixels for whoever looks at pictures, and the picture's full size. */
export async function decodeRgb(file: string, options: DecodeRgbOptions, maxPixels: number): Promise<DecodedImage> {
  const opened = await openImage(file, maxPixels)
  const rotation = options.rotation ?? 0
  const decoded = await decodeImage(file, opened, options.maxSide ?? Infinity, maxPixels)
  const { data, width, height } = await turn(decoded, rotation)
  const swapped = rotation === 90 || rotation === 270
  return {
    data,
    width,
    height,
    fullWidth: swapped ? opened.height : opened.width,
    fullHeight: swapped ? opened.width : opened.height,
  }
}

type Opened = Pick<OpenImage, 'width' | 'height' | 'pages' | 'hasAlpha'> & Partial<Pick<OpenImage, 'format'>>

async function source(
  job: RenderImageJob,
  maxPixels: number,
): Promise<{ opened: Opened; picture: RgbImage; flawed: boolean; live?: LiveMarkers }> {
  if (typeof job.source !== 'string') {
    const { width, height } = job.source
    const picture = await fitted(job.source, previewSide)
    return { opened: { width, height, pages: 1, hasAlpha: false }, picture, flawed: false }
  }
  const opened = await openImage(job.source, maxPixels)
  const { flawed, ...picture } = await decodeImage(job.source, opened, previewSide, maxPixels)
  const live = opened.format === 'jpeg' || opened.format === 'heic' ? { live: await liveMarkers(job.source) } : {}
  return { opened, picture, flawed, ...live }
}

async function rendition(image: RgbImage, options: { quality: number; effort: number }): Promise<Rendition> {
  const { data, info } = await raw(image).webp(options).toBuffer({ resolveWithObject: true })
  return { data, contentType: 'image/webp', width: info.width, height: info.height }
}

/** Short side 320 px unless that makes the long side more than 640 px. */
function thumbnailPixels(image: RgbImage): Promise<RgbImage> {
  const { width, height } = image
  const scale = Math.min(1, thumbnailSide.short / Math.min(width, height), thumbnailSide.long / Math.max(width, height))
  return fitted(image, Math.max(1, Math.round(Math.max(width, height) * scale)))
}

async function fitted(image: RgbImage, longSide: number): Promise<RgbImage> {
  if (Math.max(image.width, image.height) <= longSide) return image
  const { data, info } = await raw(image)
    .resize({ width: longSide, height: longSide, fit: 'inside' })
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

/** One byte a pixel. Made once: turning a picture grey takes longer than shrinking it. */
type Grey = Pick<RgbImage, 'data' | 'width' | 'height'>

async function greyOf(image: RgbImage): Promise<Grey> {
  const { data, info } = await oneChannel(raw(image).greyscale())
  return { data, width: info.width, height: info.height }
}

async function stretched({ data, ...size }: Grey, width: number, height: number): Promise<Uint8Array> {
  const pipeline = sharp(data, { raw: { ...size, channels: 1 } }).resize({
    width,
    height,
    fit: 'fill',
    kernel: 'linear',
  })
  return (await oneChannel(pipeline)).data
}

const oneChannel = (pipeline: Sharp) => pipeline.toColourspace('b-w').raw().toBuffer({ resolveWithObject: true })

async function blurhash(image: RgbImage): Promise<string> {
  const tall = image.height > image.width
  const { data, info } = await raw(image)
    .resize({ width: 32, height: 32, fit: 'inside' })
    .raw()
    .toBuffer({ resolveWithObject: true })
  return encodeBlurhash(opaque(data), info.width, info.height, tall ? 3 : 4, tall ? 4 : 3)
}

/** Four bytes a pixel, as blurhash takes them. */
function opaque(rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255)
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) rgba.set(rgb.subarray(from, from + 3), to)
  return rgba
}

/** Settings of a child that decodes: one thread a job, nothing kept between jobs. */
export function frugal(): void {
  sharp.concurrency(1)
  sharp.cache(false)
}
