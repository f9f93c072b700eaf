import { open, readFile } from 'node:fs/promises'
import sharp, { type Metadata, type Sharp } from 'sharp'
import { DecodeFailure } from './decode-failure.js'
import { decodeHeic } from './heic.js'
import type { ImageFormat, RgbImage } from './image-types.js'
import { isCutOff } from './cut-off.js'
import { refusal } from './refusal.js'
import type { Sniffed } from './sniff.js'
import { sniffFile } from './sniff-file.js'
import { tiffOf } from './tiff.js'

/** Bytes of a file that is read whole into memory (HEIC only). */
const largestWholeFile = 256 * 1024 * 1024

/** A still image whose header has been read and found bearable. */
export interface OpenImage {
  format: ImageFormat
  contentType: string
  /** Before orientation. */
  storedWidth: number
  storedHeight: number
  /** After orientation. */
  width: number
  height: number
  pages: number
  hasAlpha: boolean
}

/** Loads nothing but the formats that are wanted: libvips would also open SVG and its own dump format. */
export function allowOnlyPhotos(): void {
  sharp.block({ operation: ['VipsForeignLoad'] })
  const wanted = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif']
  sharp.unblock({ operation: wanted.map(name => `VipsForeignLoad${name}`) })
}

/** Reads the header and applies the limits. Throws a DecodeFailure that names what is wrong. */
export async function openImage(file: string, maxPixels: number): Promise<OpenImage> {
  const { format, contentType } = requireImage(await sniffFile(file))
  if (format === 'heic') return openHeic(file, contentType, maxPixels)
  const meta = await metadata(file, format)
  requirePixels(meta.width, meta.height, maxPixels)
  const turned = (meta.orientation ?? 1) >= 5
  return {
    format,
    contentType,
    storedWidth: meta.width,
    storedHeight: meta.height,
    width: turned ? meta.height : meta.width,
    height: turned ? meta.width : meta.height,
    pages: meta.pages ?? 1,
    hasAlpha: meta.hasAlpha,
  }
}

/** Upright sRGB pixels with the long side at most `maxSide`, and whether the decoder had to step over flaws. */
export async function decodeImage(
  file: string,
  image: OpenImage,
  maxSide: number,
  maxPixels: number,
): Promise<RgbImage & { flawed: boolean }> {
  if (image.format === 'heic') {
    const input = await heicPipeline(file, maxPixels)
    return { ...(await rgb(input, maxSide)), flawed: false }
  }
  const pipeline = (failOn: 'warning' | 'error') =>
    sharp(file, { limitInputPixels: maxPixels, failOn, page: 0, pages: 1 }).autoOrient()
  try {
    return { ...(await rgb(pipeline('warning'), maxSide)), flawed: false }
  } catch (strict) {
    if (await isCutOff(file, image.format)) throw new DecodeFailure('TRUNCATED', undefined, undefined, strict)
    try {
      return { ...(await rgb(pipeline('error'), maxSide)), flawed: true }
    } catch (error) {
      throw failure(error)
    }
  }
}

/** Turns pixels clockwise. */
export async function turn(image: RgbImage, degrees: number): Promise<RgbImage> {
  if (degrees === 0) return image
  return rgb(raw(image).rotate(degrees), Infinity)
}

/** Pixels as the start of a pipeline. */
export function raw(image: RgbImage): Sharp {
  return sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
}

async function rgb(pipeline: Sharp, maxSide: number): Promise<RgbImage> {
  const sized = Number.isFinite(maxSide)
    ? pipeline.resize({ width: maxSide, height: maxSide, fit: 'inside', withoutEnlargement: true })
    : pipeline
  const { data, info } = await sized
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  return { data: threeChannels(data, info.channels), width: info.width, height: info.height }
}

function threeChannels(data: Buffer, channels: number): Uint8Array {
  if (channels === 3) return data
  const pixels = data.length / channels
  const out = new Uint8Array(pixels * 3)
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[i * 3 + c] = data[i * channels + (channels < 3 ? 0 : c)] ?? 0
  }
  return out
}

async function metadata(file: string, format: ImageFormat): Promise<Metadata> {
  try {
    return await sharp(file, { limitInputPixels: false, failOn: 'none' }).metadata()
  } catch (error) {
    const known = failure(error)
    if (known.reason !== 'TOO_MANY_PIXELS' && (await isCutOff(file, format))) {
      throw new DecodeFailure('TRUNCATED', undefined, undefined, error)
    }
    throw known
  }
}

async function openHeic(file: string, contentType: string, maxPixels: number): Promise<OpenImage> {
  return withHeic(file, async bytes => {
    const heic = await decodeHeic(bytes, maxPixels, 'header')
    return {
      format: 'heic',
      contentType,
      storedWidth: heic.storedWidth,
      storedHeight: heic.storedHeight,
      width: heic.width,
      height: heic.height,
      pages: heic.images,
      hasAlpha: heic.hasAlpha,
    }
  })
}

async function heicPipeline(file: string, maxPixels: number): Promise<Sharp> {
  return withHeic(file, async bytes => {
    const heic = await decodeHeic(bytes, maxPixels, 'pixels')
    if (!heic.pixels) throw new DecodeFailure('CORRUPT')
    const { data, width, height, channels } = heic.pixels
    if (!heic.icc) return sharp(data, { raw: { width, height, channels } })
    // Raw pixels cannot carry a colour profile into sharp; an uncompressed TIFF around them can (iPhones write Display P3).
    return sharp(tiffOf(heic.pixels, heic.icc), { limitInputPixels: maxPixels, failOn: 'none' })
  })
}

async function withHeic<T>(file: string, fn: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  const bytes = await wholeFile(file)
  try {
    return await fn(bytes)
  } catch (error) {
    if (error instanceof DecodeFailure && error.reason === 'CORRUPT' && (await isCutOff(file, 'heic'))) {
      throw new DecodeFailure('TRUNCATED', undefined, undefined, error)
    }
    throw error
  }
}

async function wholeFile(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    if (size > largestWholeFile) throw new DecodeFailure('TOO_LARGE', undefined, { bytes: String(size) })
  } finally {
    await handle.close()
  }
  return readFile(file)
}

function requireImage(sniffed: Sniffed): { format: ImageFormat; contentType: string } {
  if (sniffed.kind !== 'image') throw refusal(sniffed, 'photo')
  if (sniffed.format === 'jxl') {
    const sentence = 'Keepsake cannot show JPEG XL pictures yet. The original is kept.'
    throw new DecodeFailure('UNSUPPORTED_FORMAT', sentence, { format: 'jxl' })
  }
  return sniffed
}

function requirePixels(width: number, height: number, maxPixels: number): void {
  if (width * height > maxPixels) {
    throw new DecodeFailure('TOO_MANY_PIXELS', undefined, { width: String(width), height: String(height) })
  }
}

/** What libvips says, in our words. Its messages are the only thing it gives. */
function failure(error: unknown): DecodeFailure {
  if (error instanceof DecodeFailure) return error
  const text = error instanceof Error ? error.message : String(error)
  const reason = /exceeds pixel limit|too large|exceeds.*dimension|image size.*(limit|exceed)|security limit/i.test(
    text,
  )
    ? 'TOO_MANY_PIXELS'
    : /memory/i.test(text)
      ? 'TOO_LARGE'
      : /premature end|truncated|end of (file|stream|input|data)|unexpected end/i.test(text)
        ? 'TRUNCATED'
        : /not (supported|implemented)|unsupported (codec|feature|compression)|compression (scheme|support)/i.test(text)
          ? 'UNSUPPORTED_FORMAT'
          : 'CORRUPT'
  return new DecodeFailure(reason, undefined, undefined, error)
}
