import sharp, { type Sharp } from 'sharp'
import { ssim } from 'ssim.js'
import { openMedia } from '@keepsake/media'
import type { Movie, Rectangle, Slot } from './api-types.js'

/** What a decoded movie looks and sounds like beside its storyboard. */
export interface MovieComparison {
  /** Seconds, of the file. */
  duration: number
  /** The photo slot that resembles its storyboard crop least. */
  lowest: { ssim: number; mediaId: string; at: number }
  compared: number
  /** Root mean square of the whole sound, 0..1. */
  rms: number
}

/** Compared at this width: the composition is judged, not the codec's grain. */
const width = 320
/** Lossless at once: deflating what is read again in a moment costs more than the comparison. */
export const unpacked = { compressionLevel: 0 }
/** A date stamp stands in the lowest part of the picture, so only what is above it is compared. */
const comparedHeight = 0.8

/**
 * Decodes the middle frame of each slot that shows a photo and compares it with the part of the photo that the storyboard names.
 * @param picture the upright picture of an item as an encoded image; `height` is the movie's
 */
export async function compareMovie(
  file: string,
  movie: Movie,
  picture: (mediaId: string, height: number) => Promise<Buffer>,
): Promise<MovieComparison> {
  const media = openMedia()
  try {
    const probe = await media.probeVideo(file)
    const slots = movie.storyboard.filter(slot => slot.mediaId && slot.framing && slot.in === undefined)
    const times = slots.map(slot => slot.start + slot.duration / 2)
    const height = Math.round((width * probe.height) / probe.width / 2) * 2
    let lowest = { ssim: 1, mediaId: '', at: 0 }
    let index = 0
    for await (const frame of media.frames(file, { timestamps: times, maxSide: 4096 })) {
      const slot = slots[index++] as Slot
      const crop = await cropped(await picture(slot.mediaId ?? '', probe.height), middle(slot))
      const panel = panelOf(await sharp(crop).metadata(), frame)
      const shown = sharp(frame.data, { raw: { width: frame.width, height: frame.height, channels: 3 } }).extract(panel)
      const expected = sharp(crop)
      const score = ssim(await grey(shown, height), await grey(expected, height)).mssim
      if (score < lowest.ssim) lowest = { ssim: score, mediaId: slot.mediaId ?? '', at: frame.timeS }
    }
    const sound = await media.extractAudio(file)
    const samples = sound?.samples ?? new Float32Array()
    const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length))
    return { duration: probe.durationS, lowest, compared: index, rms }
  } finally {
    await media.close()
  }
}

/**
 * Where a crop stands in the frame. One of the movie's shape fills it; a picture of another shape is shown whole, in the middle of a soft
 * copy of itself, which is not compared.
 */
function panelOf(crop: { width?: number; height?: number }, frame: { width: number; height: number }) {
  const shape = (crop.width ?? 1) / (crop.height ?? 1)
  const film = frame.width / frame.height
  const fills = Math.abs(shape / film - 1) < 0.03
  const width = fills ? frame.width : Math.round(Math.min(frame.width, frame.height * shape))
  const height = fills ? frame.height : Math.round(Math.min(frame.height, frame.width / shape))
  return { left: Math.floor((frame.width - width) / 2), top: Math.floor((frame.height - height) / 2), width, height }
}

/** The rectangle half way through a slot. */
function middle(slot: Slot): Rectangle {
  const { start, end } = slot.framing as { start: Rectangle; end: Rectangle }
  return { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2, w: (start.w + end.w) / 2, h: (start.h + end.h) / 2 }
}

async function cropped(image: Buffer, part: Rectangle): Promise<Buffer> {
  const { width: w = 0, height: h = 0 } = await sharp(image).metadata()
  const left = Math.max(0, Math.round(part.x * w))
  const top = Math.max(0, Math.round(part.y * h))
  return sharp(image)
    .extract({
      left,
      top,
      width: Math.max(1, Math.min(w - left, Math.round(part.w * w))),
      height: Math.max(1, Math.min(h - top, Math.round(part.h * h))),
    })
    .png(unpacked)
    .toBuffer()
}

async function grey(image: Sharp, height: number) {
  const { data, info } = await image
    .resize(width, height, { fit: 'fill' })
    .extract({ left: 0, top: 0, width, height: Math.round(height * comparedHeight) })
    .removeAlpha()
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return {
    data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength),
    width: info.width,
    height: info.height,
  }
}
