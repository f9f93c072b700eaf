import type { Media as MediaReader, ObjectStore, RgbImage, Rotation } from '@keepsake/media'
import type { Media } from '@keepsake/proto/ingest/v1'
import type { RunOptions } from '@keepsake/inference'
import sharp from 'sharp'
import { portraitCrop } from './crops.js'
import { errors } from './errors.js'
import { findFaces, type FoundFace, type Models } from './find-faces.js'
import { Picture } from './picture.js'
import { followFaces, type FrameFaces, type TimeRange, type Track } from './tracks.js'

/** What the work on an item needs from outside. */
export interface ObserveTools {
  media: Pick<MediaReader, 'decodeRgb' | 'frames' | 'probeVideo'>
  store: Pick<ObjectStore, 'withFile'>
  models: Models
}

/** A face of an item before it has an id: places in parts of the picture. */
export interface ObservedFace {
  face: FoundFace
  /** Size of the picture or frame that the face was found in, px. */
  width: number
  height: number
  /** A small WebP of the face. */
  portrait: Buffer
  at?: number
  ranges: TimeRange[]
}

/** Photos are decoded to this long side, px: more finds no more faces. */
const PHOTO_SIDE = 1600
/** Video frames: half the work, and playback is 720p anyway. */
const FRAME_SIDE = 1280
/** One frame a second, and no more frames than this in all: a longer video is sampled more thinly. */
const MAX_FRAMES = 60
/** Side of a portrait, px. */
const PORTRAIT_SIDE = 256
/** Frames in which faces are looked for at the same time: one is decoded while another is looked at. */
const FRAMES_IN_FLIGHT = 3

/** Finds the faces of an item: of the still of a photo or live photo, through the whole of a video. Largest, or longest on screen, first. */
export function observe(media: Media, tools: ObserveTools, options: RunOptions): Promise<ObservedFace[]> {
  return media.kind === 'video' ? observeVideo(media, tools, options) : observePhoto(media, tools, options)
}

/** The upright preview is small and safe to decode; without one the original is turned as a person said. */
async function observePhoto(
  media: Media,
  { media: reader, store, models }: ObserveTools,
  options: RunOptions,
): Promise<ObservedFace[]> {
  const { key, rotation } = sourceOf(media, media.previewKey)
  const { signal } = options
  const image = await store.withFile(
    key,
    file => reader.decodeRgb(file, { maxSide: PHOTO_SIDE, rotation, ...within(signal) }),
    within(signal),
  )
  const faces = await findFaces(image, models, options)
  const picture = new Picture(image)
  return Promise.all(
    faces.map(async face => ({
      face,
      width: image.width,
      height: image.height,
      portrait: await portraitOf(picture, face),
      ranges: [],
    })),
  )
}

async function observeVideo(
  media: Media,
  { media: reader, store, models }: ObserveTools,
  options: RunOptions,
): Promise<ObservedFace[]> {
  const { key, rotation } = sourceOf(media, media.playbackKey)
  const { signal } = options
  return store.withFile(
    key,
    async file => {
      const duration = media.duration ?? (await reader.probeVideo(file, within(signal))).durationS
      const everyS = Math.max(1, duration / MAX_FRAMES)
      const sampled: (FrameFaces & { size: { width: number; height: number } })[] = []
      const portraits = new Map<FoundFace, Buffer>()
      const look = async (time: number, frame: RgbImage) => {
        const faces = await findFaces(frame, models, options)
        const picture = new Picture(frame)
        for (const face of faces) portraits.set(face, await portraitOf(picture, face))
        sampled.push({ time, faces, size: { width: frame.width, height: frame.height } })
      }
      const under = new Set<Promise<void>>()
      const framesOptions = { everyS, maxSide: FRAME_SIDE, maxFrames: MAX_FRAMES + 1, rotation, ...within(signal) }
      for await (const frame of reader.frames(file, framesOptions)) {
        const work: Promise<void> = look(frame.timeS, frame).finally(() => under.delete(work))
        under.add(work)
        if (under.size >= FRAMES_IN_FLIGHT) await Promise.race(under)
      }
      await Promise.all(under)
      sampled.sort((a, b) => a.time - b.time)
      const size = sampled[0]?.size ?? { width: 1, height: 1 }
      return followFaces(sampled, everyS, duration).map(track => ({
        face: represent(track),
        ...size,
        portrait: portraits.get(track.best) as Buffer,
        at: track.at,
        ranges: track.ranges,
      }))
    },
    within(signal),
  )
}

/** A track as one face: how it looks at its best, who it is on the whole. */
function represent({ best, embedding, age }: Track): FoundFace {
  return { ...best, embedding, age }
}

function sourceOf(media: Media, rendition: string): { key: string; rotation: Rotation } {
  if (rendition !== '') return { key: rendition, rotation: 0 }
  if (media.originalKey === '') throw errors.nothingToLookAt()
  return { key: media.originalKey, rotation: media.rotation as Rotation }
}

function portraitOf(picture: Picture, { box }: FoundFace): Promise<Buffer> {
  const pixels = picture.crop(portraitCrop(box, PORTRAIT_SIDE), PORTRAIT_SIDE)
  return sharp(pixels, { raw: { width: PORTRAIT_SIDE, height: PORTRAIT_SIDE, channels: 3 } })
    .webp({ quality: 80 })
    .toBuffer()
}

const within = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {})
