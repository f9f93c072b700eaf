import { stat } from 'node:fs/promises'
import {
  AV_CODEC_ID_NONE,
  AV_DISPOSITION_ATTACHED_PIC,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVCOL_SPC_UNSPECIFIED,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_SMPTE2084,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants'
import { Codec, Dictionary, FormatContext, InputFormat, Packet, type Stream } from 'node-av/lib'
import { isCutOff } from './cut-off.js'
import { DecodeFailure } from './decode-failure.js'
import type { Rotation } from './image-types.js'
import { refusal } from './refusal.js'
import { sniffFile } from './sniff-file.js'
import type { VideoContainer } from './video-types.js'

/** An open video file. Close it. */
export interface VideoInput {
  file: string
  container: VideoContainer
  contentType: string
  context: FormatContext
  video: Stream
  audio: Stream | undefined
  /** What must be done to the stored picture so that it stands upright. */
  orientation: Orientation
  /** Seconds that count as 0: the container's start. */
  startS: number
  durationS: number
  pictureS: number
  /** After orientation, with square pixels. */
  width: number
  height: number
  fps: number
  hdr: boolean
}

/** From the display matrix of ISO/IEC 14496-12 (`tkhd`). */
export interface Orientation {
  /** Degrees clockwise. */
  rotation: Rotation
  /** FFmpeg filters that do it, mirroring included. */
  filters: string[]
}

/** Opens a file with the one demuxer that its bytes call for, local files only: a container cannot name other files or addresses. */
export async function openVideo(file: string, maxPixels: number): Promise<VideoInput> {
  const sniffed = await sniffFile(file)
  if (sniffed.kind !== 'video') throw refusal(sniffed, 'video')
  const iso = sniffed.format === 'mp4' || sniffed.format === 'mov'
  // A recording that lost its end may well open, but what is missing would be missing for ever.
  if (await isCutOff(file, iso ? 'mp4' : 'mkv')) throw new DecodeFailure('TRUNCATED')
  const context = new FormatContext()
  try {
    const format = InputFormat.findInputFormat(iso ? 'mov' : 'matroska')
    const opened = await context.openInput(
      `file:${file}`,
      format,
      Dictionary.fromObject({ protocol_whitelist: 'file' }),
    )
    if (opened < 0 || (await context.findStreamInfo(null)) < 0) throw new DecodeFailure('CORRUPT')
    return await describe(file, sniffed.format, sniffed.contentType, context, maxPixels)
  } catch (error) {
    await context.closeInput().catch(() => undefined)
    throw error
  }
}

/** Opens, works, closes. */
export async function withVideo<T>(file: string, maxPixels: number, fn: (input: VideoInput) => Promise<T>): Promise<T> {
  const input = await openVideo(file, maxPixels)
  try {
    return await fn(input)
  } finally {
    await input.context.closeInput()
  }
}

/** The packets of some streams until the end of the file. A packet is valid until the next one. */
export async function* packets(input: VideoInput, ...streams: (Stream | undefined)[]): AsyncGenerator<Packet> {
  const wanted = new Map(streams.map(stream => [stream?.index, stream]))
  const packet = new Packet()
  packet.alloc()
  try {
    // Damage in the middle also ends the reading: what came before counts.
    while ((await input.context.readFrame(packet)) >= 0) {
      const stream = wanted.get(packet.streamIndex)
      if (stream) {
        // FFmpeg leaves it unset; the muxer aborts the process on a packet without it.
        packet.timeBase = stream.timeBase
        yield packet
      }
      packet.unref()
    }
  } finally {
    packet.free()
  }
}

/** Seconds of a timestamp of a stream, counted from the start of the video. */
export function secondsOf(input: VideoInput, stream: Stream, pts: bigint): number {
  return Number(pts) * seconds(stream.timeBase) - input.startS
}

async function describe(
  file: string,
  container: VideoContainer,
  contentType: string,
  context: FormatContext,
  maxPixels: number,
): Promise<VideoInput> {
  const video = context.streams.find(
    stream =>
      stream.codecpar.codecType === AVMEDIA_TYPE_VIDEO && (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) === 0,
  )
  const audio = context.streams.find(stream => stream.codecpar.codecType === AVMEDIA_TYPE_AUDIO && readable(stream))
  if (!video) throw new DecodeFailure((await stat(file)).size < 64 ? 'CORRUPT' : 'NO_PICTURE')
  if (!readable(video)) {
    throw new DecodeFailure('UNSUPPORTED_FORMAT', undefined, { codec: video.codecpar.codecTagString ?? 'unknown' })
  }
  const { width, height } = video.codecpar
  if (width * height > maxPixels) {
    throw new DecodeFailure('TOO_MANY_PIXELS', 'This video is larger than Keepsake can show. The original is kept.', {
      width: String(width),
      height: String(height),
    })
  }
  if (width < 1 || height < 1) throw new DecodeFailure('CORRUPT')
  const orientation = orientationOf(video)
  const shape = video.codecpar.sampleAspectRatio
  const stretch = shape.num > 0 && shape.den > 0 && shape.num / shape.den < 10 ? shape.num / shape.den : 1
  const wide = Math.max(1, Math.round(width * stretch))
  const turned = orientation.rotation === 90 || orientation.rotation === 270
  const pictureS = lengthOf(video) || positive(context.duration) / 1e6
  return {
    file,
    container,
    contentType,
    context,
    video,
    audio,
    orientation,
    startS: context.startTime > -(2n ** 60n) ? Number(context.startTime) / 1e6 : 0,
    durationS: Math.max(positive(context.duration) / 1e6, ...context.streams.map(lengthOf)),
    pictureS,
    width: turned ? height : wide,
    height: turned ? wide : height,
    fps: rate(video.avgFrameRate) || rate(video.rFrameRate),
    hdr: [AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67].some(transfer => transfer === video.codecpar.colorTrc),
  }
}

/** Filters that turn a stored frame into an upright one of `width` x `height` (as shown, before `extra` degrees), in SDR, with square pixels. */
export function uprightFilters(input: VideoInput, width: number, height: number, extra: Rotation): string[] {
  const turned = input.orientation.rotation === 90 || input.orientation.rotation === 270
  const [w, h] = turned ? [height, width] : [width, height]
  const { codecpar } = input.video
  // Without a tag, HD is BT.709 by convention and the scaler would take BT.601.
  const matrix = codecpar.colorSpace === AVCOL_SPC_UNSPECIFIED && codecpar.height >= 720 ? ':in_color_matrix=bt709' : ''
  return [
    `scale=${w}:${h}:flags=bicubic${matrix}`,
    ...(input.hdr ? ['tonemapx=tonemap=bt2390:desat=0:peak=100:t=bt709:m=bt709:p=bt709:format=yuv420p'] : []),
    'setsar=1',
    ...input.orientation.filters,
    ...({ 0: [], 90: ['transpose=clock'], 180: ['hflip', 'vflip'], 270: ['transpose=cclock'] } as const)[extra],
  ]
}

function orientationOf(stream: Stream): Orientation {
  const data = stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX)
  if (!data || data.length < 36) return { rotation: 0, filters: [] }
  const m = Array.from({ length: 9 }, (_, i) => data.readInt32LE(i * 4))
  const [a = 0, b = 0, , c = 0, d = 0] = m
  const angle = (Math.atan2(b, a) * 180) / Math.PI
  const rotation = (((Math.round(angle / 90) * 90) % 360) + 360) % 360
  // The cases of FFmpeg's own auto-rotation, mirrored pictures (front cameras) included.
  switch (rotation) {
    case 90:
      return { rotation, filters: [c > 0 ? 'transpose=cclock_flip' : 'transpose=clock'] }
    case 180:
      return { rotation, filters: [...(a < 0 ? ['hflip'] : []), ...(d < 0 ? ['vflip'] : [])] }
    case 270:
      return { rotation, filters: [c < 0 ? 'transpose=clock_flip' : 'transpose=cclock'] }
    default:
      return { rotation: 0, filters: d < 0 ? ['vflip'] : [] }
  }
}

function readable(stream: Stream): boolean {
  return stream.codecpar.codecId !== AV_CODEC_ID_NONE && Codec.findDecoder(stream.codecpar.codecId) !== null
}

function lengthOf(stream: Stream): number {
  const { codecType } = stream.codecpar
  // Timed metadata of phones may be as long as it likes.
  if (codecType < 0) return 0
  return positive(stream.duration) * seconds(stream.timeBase)
}

function positive(value: bigint): number {
  return value > 0n && value < 2n ** 60n ? Number(value) : 0
}

function seconds(base: { num: number; den: number }): number {
  return base.den > 0 ? base.num / base.den : 0
}

function rate(value: { num: number; den: number }): number {
  return value.den > 0 && value.num > 0 ? Math.round((value.num / value.den) * 1000) / 1000 : 0
}
