import { rename, rm, stat } from 'node:fs/promises'
import { Decoder, Encoder, FilterAPI, Muxer } from 'node-av/api'
import {
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_H264,
  AV_PIX_FMT_YUV420P,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import { Dictionary, type Frame, type Packet, type Stream } from 'node-av/lib'
import type { JobContext } from './child-runtime.js'
import { DecodeFailure } from './decode-failure.js'
import type { Rotation } from './image-types.js'
import { lookAt, MotionWatcher } from './motion-watcher.js'
import { MotionMeter } from './motion.js'
import { packets, secondsOf, uprightFilters, withVideo, type VideoInput } from './video-input.js'
import type { TranscodeResult } from './video-types.js'

/** Playback files: short side at most 720 px, 30 frames a second, and a bit rate that a phone on the road can take. */
const playback = {
  shortSide: 720,
  longSide: 1920,
  fps: 30,
  copyBitRate: 6_000_000,
  crf: 23,
  audioBitRate: 128_000,
} as const

/** Writes the playback file to `target`, whole or not at all. */
export function transcodePlayback(
  job: { file: string; target: string; rotation: Rotation; maxPixels: number },
  context: JobContext,
): Promise<TranscodeResult> {
  return withVideo(job.file, job.maxPixels, async input => {
    const unfinished = `${job.target}.part.mp4`
    try {
      const plays = job.rotation === 0 && playsEverywhere(input)
      const motion = new MotionMeter()
      const flaws = plays
        ? await copy(input, unfinished, motion, context)
        : await encode(input, unfinished, job.rotation, motion, context)
      const { size } = await stat(unfinished)
      await rename(unfinished, job.target)
      const { width, height } = plays ? input : uprightSize(input, job.rotation)
      const durationS = Math.round(input.durationS * 1000) / 1000
      return { encoded: !plays, width, height, durationS, size, flaws, motion: motion.perSecond() }
    } finally {
      await rm(unfinished, { force: true })
    }
  })
}

function playsEverywhere({ container, video, audio, orientation, width, height, context }: VideoInput): boolean {
  const { codecId, format, codecTag, sampleAspectRatio } = video.codecpar
  const square = sampleAspectRatio.num === sampleAspectRatio.den || sampleAspectRatio.num === 0
  return (
    (container === 'mp4' || container === 'mov') &&
    codecId === AV_CODEC_ID_H264 &&
    codecTag !== 0 &&
    format === AV_PIX_FMT_YUV420P &&
    square &&
    orientation.filters.length === 0 &&
    Math.min(width, height) <= playback.shortSide &&
    Math.max(width, height) <= playback.longSide &&
    Number(context.bitRate) <= playback.copyBitRate &&
    (!audio || audio.codecpar.codecId === AV_CODEC_ID_AAC)
  )
}

/** As shown, even numbers (4:2:0 needs them), short side at most 720 px. */
function uprightSize(input: VideoInput, rotation: Rotation): { width: number; height: number } {
  const scale = Math.min(
    1,
    playback.shortSide / Math.min(input.width, input.height),
    playback.longSide / Math.max(input.width, input.height),
  )
  const even = (side: number) => Math.max(2, Math.round((side * scale) / 2) * 2)
  const [width, height] = [even(input.width), even(input.height)]
  return rotation === 90 || rotation === 270 ? { width: height, height: width } : { width, height }
}

async function copy(input: VideoInput, target: string, motion: MotionMeter, context: JobContext): Promise<number> {
  const { video, audio } = input
  const watcher = await MotionWatcher.open(input, motion)
  const muxer = await Muxer.open(target, { format: 'mp4', options: { movflags: '+faststart' } })
  try {
    const streams = new Map<number, number>([[video.index, muxer.addStream(video)]])
    if (audio) streams.set(audio.index, muxer.addStream(audio))
    for (const stream of muxer.streams) stream.metadata = Dictionary.fromObject({})
    for await (const packet of packets(input, video, audio)) {
      if (context.signal.aborted) break
      const to = streams.get(packet.streamIndex)
      const clone = packet.clone()
      if (to !== undefined && clone) await muxer.writePacket(clone, to)
      clone?.free()
      if (packet.streamIndex !== video.index) continue
      await watcher.take(packet)
      progress(input, video, packet.pts, context)
    }
  } finally {
    watcher.close()
    await muxer.close()
  }
  context.signal.throwIfAborted()
  return 0
}

async function encode(
  input: VideoInput,
  target: string,
  rotation: Rotation,
  motion: MotionMeter,
  context: JobContext,
): Promise<number> {
  const { video, audio } = input
  const { width, height } = uprightSize(input, 0)
  const rate = input.fps > playback.fps + 1 || input.fps === 0 ? [`fps=${playback.fps}`] : []
  const filters = [...rate, ...uprightFilters(input, width, height, rotation), 'format=yuv420p'].join(',')
  const picture = await Track.open(video, filters, filter =>
    Encoder.create(FF_ENCODER_LIBX264, {
      filter,
      options: { preset: 'veryfast', crf: playback.crf, profile: 'high' },
      gopSize: playback.fps * 2,
      threadCount: 2,
    }),
  )
  picture.seen = (frame, pts) => lookAt(motion, frame, secondsOf(input, video, pts))
  const sound = audio
    ? await Track.open(audio, 'aformat=sample_fmts=fltp:channel_layouts=stereo:sample_rates=48000', filter =>
        Encoder.create(FF_ENCODER_AAC, { filter, bitrate: playback.audioBitRate }),
      )
    : undefined
  const muxer = await Muxer.open(target, { format: 'mp4', options: { movflags: '+faststart' } })
  try {
    picture.index = muxer.addStream(picture.encoder)
    if (sound) sound.index = muxer.addStream(sound.encoder)
    for await (const packet of packets(input, video, audio)) {
      if (context.signal.aborted) break
      const track = packet.streamIndex === video.index ? picture : sound
      await track?.take(packet, muxer)
      if (track === picture) progress(input, video, packet.pts, context)
    }
    if (!context.signal.aborted) {
      await picture.take(null, muxer)
      await sound?.take(null, muxer)
    }
  } finally {
    picture.close()
    sound?.close()
    await muxer.close()
  }
  context.signal.throwIfAborted()
  if (picture.frames === 0) throw new DecodeFailure('CORRUPT')
  return picture.broken
}

function progress(input: VideoInput, stream: Stream, pts: bigint, context: JobContext): void {
  if (input.durationS > 0) context.progress(Math.min(1, Math.max(0, secondsOf(input, stream, pts) / input.durationS)))
}

/** One stream on its way from packets to packets: decode, filter, encode. */
class Track {
  index = 0
  frames = 0
  broken = 0
  /** Is shown each filtered frame with the timestamp of the decoded one that brought it forth. */
  seen: ((frame: Frame, pts: bigint) => void) | undefined

  private constructor(
    private readonly decoder: Decoder,
    private readonly filter: FilterAPI,
    readonly encoder: Encoder,
  ) {}

  static async open(
    stream: Stream,
    filters: string,
    makeEncoder: (filter: FilterAPI) => Promise<Encoder>,
  ): Promise<Track> {
    const decoder = await Decoder.create(stream, { exitOnError: true, threadCount: 2 })
    const filter = FilterAPI.create(filters, { threads: 2 })
    return new Track(decoder, filter, await makeEncoder(filter))
  }

  /** Null ends the stream and flushes every stage. */
  async take(packet: Packet | null, muxer: Muxer): Promise<void> {
    for (const frame of await this.decoded(packet)) {
      this.frames++
      for (const filtered of await this.filter.processAll(frame)) {
        this.seen?.(filtered, frame.pts)
        await this.encoded(filtered, muxer)
      }
      frame.free()
    }
    if (packet || this.frames === 0) return
    for (const filtered of await this.filter.processAll(null)) await this.encoded(filtered, muxer)
    await this.encoded(null, muxer)
  }

  close(): void {
    this.encoder.close()
    this.filter.close()
    this.decoder.close()
  }

  private async decoded(packet: Packet | null): Promise<Frame[]> {
    try {
      return await this.decoder.decodeAll(packet)
    } catch {
      this.broken++
      return []
    }
  }

  private async encoded(frame: Frame | null, muxer: Muxer): Promise<void> {
    for (const packet of await this.encoder.encodeAll(frame)) {
      await muxer.writePacket(packet, this.index)
      packet.free()
    }
    frame?.free()
  }
}
