import type { Media as MediaReader, ObjectStore, Rotation } from '@keepsake/media'
import type { Media } from '@keepsake/proto/ingest/v1'
import { giveBack, type RunOptions } from '@keepsake/inference'
import { portraitCrop } from './crops.js'
import { errors } from './errors.js'
import type { Detector, Models } from './detector.js'
import { findFaces, type FoundFace } from './find-faces.js'
import { Picture } from './picture.js'
import { samplingTimes } from './sampling.js'
import { FaceFollower, type TimeRange, type Track } from './tracks.js'

/** What the work on an item needs from outside. */
export interface ObserveTools {
  media: Pick<MediaReader, 'decodeRgb' | 'frames' | 'probeVideo' | 'renderImage'>
  store: Pick<ObjectStore, 'withFile'>
  models: Models
  /** What looks for faces. Default: the union. */
  detector?: Detector
}

/** A face of an item before it has an id: places in parts of the picture. */
export interface ObservedFace {
  face: FoundFace
  /** Size of the picture or frame that the face was found in, px. */
  width: number
  height: number
  /** A small WebP of the face. */
  portrait: Uint8Array
  at?: number
  ranges: TimeRange[]
}

/** Photos are decoded to this long side, px: more finds no more faces. */
const PHOTO_SIDE = 1600
/** Video frames: half the work, and playback is 720p anyway. */
const FRAME_SIDE = 1280
/** Side of a portrait, px. */
const PORTRAIT_SIDE = 256
/** Frames in which faces are looked for at the same time: one is decoded while another is looked at. */
const FRAMES_IN_FLIGHT = 3

/** Finds the faces of a family's item: of the still of a photo or live photo, through the whole of a video. Largest, or longest on screen, first. */
export function observe(
  family: string,
  media: Media,
  tools: ObserveTools,
  options: RunOptions,
): Promise<ObservedFace[]> {
  return (media.kind === 'video' ? observeVideo : observePhoto)(family, media, tools, options)
}

/** The upright preview is small and safe to decode; without one the original is turned as a person said. */
async function observePhoto(
  family: string,
  media: Media,
  tools: ObserveTools,
  options: RunOptions,
): Promise<ObservedFace[]> {
  const { key, rotation } = sourceOf(media, media.previewKey)
  const signal = within(options.signal)
  const decode = (file: string) => tools.media.decodeRgb(file, { maxSide: PHOTO_SIDE, rotation, family, ...signal })
  const picture = new Picture(await tools.store.withFile(key, decode, signal))
  const { width, height } = picture
  const faces = await findFaces(picture, tools.models, options, tools.detector)
  const portraits = faces.map(face => portraitPixels(picture, face))
  picture.release()
  return Promise.all(
    faces.map(async (face, i) => ({
      face,
      width,
      height,
      portrait: await encode(family, tools, portraits[i] as Uint8Array, options),
      ranges: [],
    })),
  )
}

async function observeVideo(
  family: string,
  media: Media,
  tools: ObserveTools,
  options: RunOptions,
): Promise<ObservedFace[]> {
  const { key, rotation } = sourceOf(media, media.playbackKey)
  const signal = within(options.signal)
  return tools.store.withFile(
    key,
    async file => {
      const duration = media.duration ?? (await tools.media.probeVideo(file, signal)).durationS
      const follower = new FaceFollower(duration)
      const timestamps = samplingTimes(duration, media.motion)
      const sampling = { timestamps, maxSide: FRAME_SIDE, rotation, ...signal }
      let size = { width: 1, height: 1 }
      // Frames are looked at a few at a time and taken in one after another, in their order.
      const looking: Promise<{ time: number; picture: Picture; faces: FoundFace[] }>[] = []
      const takeIn = async () => {
        const next = looking.shift()
        if (!next) return
        const { time, picture, faces } = await next
        size = { width: picture.width, height: picture.height }
        follower.add(time, faces, face => portraitPixels(picture, face))
        picture.release()
      }
      for await (const frame of tools.media.frames(file, sampling)) {
        const picture = new Picture(frame)
        const look = findFaces(picture, tools.models, options, tools.detector).then(faces => ({
          time: frame.timeS,
          picture,
          faces,
        }))
        // A failure is told when its turn comes; until then it must not count as unhandled.
        look.catch(() => undefined)
        looking.push(look)
        if (looking.length >= FRAMES_IN_FLIGHT) await takeIn()
      }
      while (looking.length > 0) await takeIn()
      return Promise.all(
        follower.finish().map(async track => ({
          face: represent(track),
          ...size,
          portrait: await encode(family, tools, track.portrait, options),
          at: track.at,
          ranges: track.ranges,
        })),
      )
    },
    signal,
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

function portraitPixels(picture: Picture, { box, pose }: FoundFace): Uint8Array {
  return picture.crop(portraitCrop(box, pose.roll, PORTRAIT_SIDE), PORTRAIT_SIDE)
}

/** WebP of pixels that are given back, made in a decode child: native encoders stay out of this process. */
async function encode(
  family: string,
  tools: ObserveTools,
  data: Uint8Array,
  { signal }: RunOptions,
): Promise<Uint8Array> {
  const source = { data, width: PORTRAIT_SIDE, height: PORTRAIT_SIDE }
  const { preview } = await tools.media.renderImage({ source }, { family, ...within(signal) })
  giveBack(data)
  return preview.data
}

const within = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {})
