/** The one module that touches node-av (FFmpeg in the process). Only the film child imports it: a native fault must not end a service. */
import { Demuxer, Encoder, Muxer } from 'node-av/api'
import * as av from 'node-av/constants'
import { Dictionary, FFmpegError, FilterGraph, Frame, Log, Rational, type FilterContext } from 'node-av/lib'
import { videoFrame } from '@keepsake/media/video-frame'
import type { PixelRect, Rect } from './framing.js'
import { FPS } from './storyboard.js'
import { SAMPLE_RATE, type Stereo } from './synth.js'

/** x264 preset and rate factor: `veryfast` is the knee of speed against size (design/movies.md, section 3). */
const PRESET = 'veryfast'
const CRF = 21
const AUDIO_BITRATE = '160k'

/** Shapes that differ by less are the same: renditions are rounded to whole and even pixels. */
const SAME_SHAPE = 0.03

Log.setLevel(av.AV_LOG_ERROR)

/** Runs a filter graph that ends in a sink, and gives its frames one after the other. */
class Graph {
  private readonly graph = new FilterGraph()
  private readonly sink: FilterContext
  private readonly frame = new Frame()

  private constructor(description: string, sinkName: 'buffersink' | 'abuffersink') {
    this.graph.alloc()
    FFmpegError.throwIfError(this.graph.parse2(`${description},${sinkName}`), `parse ${description}`)
    const sink = this.graph.filters?.find(f => f.filter?.name === sinkName)
    if (!sink) throw new Error('the filter graph has no sink')
    this.sink = sink
    this.frame.alloc()
  }

  static async open(description: string, sinkName: 'buffersink' | 'abuffersink'): Promise<Graph> {
    const graph = new Graph(description, sinkName)
    const code = await graph.graph.config()
    if (code < 0) {
      graph.close()
      FFmpegError.throwIfError(code, `configure ${description}`)
    }
    return graph
  }

  /** Calls `use` with the next frame; false at the end. */
  async next(use: (frame: Frame) => void): Promise<boolean> {
    const code = await this.sink.buffersinkGetFrame(this.frame)
    if (code === av.AVERROR_EOF) return false
    FFmpegError.throwIfError(code, 'read a frame')
    try {
      use(this.frame)
    } finally {
      this.frame.unref()
    }
    return true
  }

  close(): void {
    this.frame.free()
    this.graph.free()
  }
}

/** What to take from a clip. File names must be plain (no quotes, colons or commas): the film child makes its own links. */
export interface ClipRequest {
  file: string
  /** Seconds into the clip. */
  inS: number
  /** Frames wanted; the last one repeats where the clip ends early. */
  frames: number
  /** Width by height of the picture that `crop` is a part of. A clip of another shape (live photos have some) loses what lies outside of it. */
  shape: number
  crop: Rect
  fit: 'cover' | 'panel'
  panel: PixelRect
  film: { width: number; height: number }
}

/** Decodes part of a clip to yuv420p BT.709 frames of the film's size. */
export class ClipReader {
  private constructor(private readonly graph: Graph) {}

  static async open(clip: ClipRequest): Promise<ClipReader> {
    const { crop, panel, film } = clip
    const timing = `movie=${clip.file}:seek_point=${Math.max(0, clip.inS - 0.001)},trim=start=${clip.inS},setpts=PTS-STARTPTS,fps=${FPS},tpad=stop_mode=clone:stop=-1,trim=end_frame=${clip.frames}`
    const near = `lt(abs(iw/ih/${clip.shape}-1),${SAME_SHAPE})`
    const shaped = `crop='if(${near},iw,min(iw,ih*${clip.shape}))':'if(${near},ih,min(ih,iw/${clip.shape}))'`
    const cut = `${shaped},crop=iw*${crop.w}:ih*${crop.h}:iw*${crop.x}:ih*${crop.y}`
    const colour = 'out_color_matrix=bt709:out_range=tv:flags=bicubic'
    const sized = `${cut},scale=${panel.width}:${panel.height}:${colour},setsar=1,format=yuv420p`
    const [w, h] = [Math.round(film.width / 16) * 2, Math.round(film.height / 16) * 2]
    const blurred = `scale=${w}:${h}:force_original_aspect_ratio=increase:${colour},crop=${w}:${h},gblur=sigma=5,scale=${film.width}:${film.height}:flags=bicubic,setsar=1,format=yuv420p,lutyuv=y=16+(val-16)*0.55`
    const picture =
      clip.fit === 'cover'
        ? `${timing},${sized}`
        : `${timing},split[a][b];[a]${blurred}[c];[b]${sized}[d];[c][d]overlay=${panel.x}:${panel.y}:format=yuv420,format=yuv420p`
    return new ClipReader(await Graph.open(picture, 'buffersink'))
  }

  /** Puts the next frame's planes into `target`; false at the end. */
  next(target: (planes: Buffer) => void): Promise<boolean> {
    return this.graph.next(frame => target(frame.toBuffer()))
  }

  close(): void {
    this.graph.close()
  }
}

/** The clip's own sound as 48 kHz stereo, or undefined where it has none. */
export async function clipSound(file: string, inS: number, lengthS: number): Promise<Stereo | undefined> {
  await using demuxer = await Demuxer.open(file)
  if (!demuxer.audio()) return undefined
  const samples = Math.round(lengthS * SAMPLE_RATE)
  const graph = await Graph.open(
    `amovie=${file}:seek_point=${Math.max(0, inS - 0.05)},atrim=start=${inS}:end=${inS + lengthS},asetpts=PTS-${inS}/TB,aresample=${SAMPLE_RATE}:async=1:first_pts=0,aformat=sample_fmts=flt:channel_layouts=stereo`,
    'abuffersink',
  )
  const sound: Stereo = { left: new Float32Array(samples), right: new Float32Array(samples) }
  let at = 0
  try {
    const take = (frame: Frame): void => {
      const bytes = frame.toBuffer()
      for (let i = 0; i < frame.nbSamples && at < samples; i++, at++) {
        sound.left[at] = bytes.readFloatLE(i * 8)
        sound.right[at] = bytes.readFloatLE(i * 8 + 4)
      }
    }
    while (at < samples && (await graph.next(take)));
  } finally {
    graph.close()
  }
  return at > 0 ? sound : undefined
}

/**
 * Encodes frames to a segment that can be joined with others without encoding again: closed, with the parameter sets that every
 * segment of this size has (x264 `stitchable`). `frames` yields planes that are only good until the next one is asked for.
 */
export async function encodeSegment(
  frames: AsyncIterable<Uint8Array>,
  size: { width: number; height: number },
  file: string,
): Promise<number> {
  const encoder = await Encoder.create(av.FF_ENCODER_LIBX264, {
    context: {
      timeBase: new Rational(1, FPS),
      framerate: new Rational(FPS, 1),
      gopSize: 2 * FPS,
      threadCount: 0,
      colorRange: av.AVCOL_RANGE_MPEG,
      colorSpace: av.AVCOL_SPC_BT709,
      colorPrimaries: av.AVCOL_PRI_BT709,
      colorTrc: av.AVCOL_TRC_BT709,
    },
    options: { preset: PRESET, crf: CRF, profile: 'high', 'x264-params': 'stitchable=1' },
  })
  const muxer = await Muxer.open(file, { format: 'mp4' })
  const stream = muxer.addStream(encoder)
  let pending: Promise<void> = Promise.resolve()
  let count = 0
  try {
    const encode = async (frame: Frame | null): Promise<void> => {
      const packets = await encoder.encodeAll(frame)
      frame?.free()
      for (const packet of packets) {
        await muxer.writePacket(packet, stream)
        packet.free()
      }
    }
    for await (const planes of frames) {
      const frame = videoFrame(planes, { ...size, timeBase: { num: 1, den: FPS }, pts: BigInt(count) })
      await pending
      frame.colorRange = av.AVCOL_RANGE_MPEG
      frame.colorSpace = av.AVCOL_SPC_BT709
      frame.colorPrimaries = av.AVCOL_PRI_BT709
      frame.colorTrc = av.AVCOL_TRC_BT709
      pending = encode(frame)
      count++
    }
    await pending
    await encode(null)
  } finally {
    await pending.catch(() => undefined)
    await muxer.close()
    encoder.close()
  }
  return count
}

/** Joins segments and sound to an MP4 that can be played while it loads; says how many frames it holds. Throws when segments do not fit together. */
export async function joinSegments(
  segments: readonly { file: string; startFrame: number }[],
  sound: Stereo,
  file: string,
  title: string,
): Promise<number> {
  let frames = 0
  const muxer = await Muxer.open(file, { format: 'mp4', options: { movflags: '+faststart' } })
  const encoder = await Encoder.create(av.FF_ENCODER_AAC, {
    context: { bitRate: AUDIO_BITRATE, timeBase: new Rational(1, SAMPLE_RATE) },
  })
  const open: Demuxer[] = []
  try {
    const [first] = segments
    if (!first) throw new RangeError('a film needs a segment')
    const model = await Demuxer.open(first.file)
    open.push(model)
    const modelStream = videoStream(model)
    const header = modelStream.codecpar.extradata
    const video = muxer.addStream(modelStream)
    const audio = muxer.addStream(encoder)
    muxer.getFormatContext().metadata = Dictionary.fromObject({ title })
    await writeSound(sound, encoder, muxer, audio)
    for (const segment of segments) {
      await using demuxer = await Demuxer.open(segment.file)
      const stream = videoStream(demuxer)
      if (!header || !stream.codecpar.extradata?.equals(header)) throw new Error('segments were encoded differently')
      const { num, den } = stream.timeBase
      const offset = BigInt(Math.round((segment.startFrame * den) / (num * FPS)))
      for await (const packet of demuxer.packets(stream.index)) {
        if (!packet) break
        packet.pts += offset
        packet.dts += offset
        await muxer.writePacket(packet, video)
        packet.free()
        frames++
      }
    }
  } finally {
    await muxer.close()
    encoder.close()
    for (const demuxer of open) await demuxer.close()
  }
  return frames
}

function videoStream(demuxer: Demuxer): NonNullable<ReturnType<Demuxer['video']>> {
  const stream = demuxer.video()
  if (!stream) throw new Error('a segment holds no video')
  return stream
}

const AAC_FRAME = 1024

async function writeSound(sound: Stereo, encoder: Encoder, muxer: Muxer, stream: number): Promise<void> {
  const write = async (frame: Frame | null): Promise<void> => {
    for (const packet of await encoder.encodeAll(frame)) {
      await muxer.writePacket(packet, stream)
      packet.free()
    }
  }
  for (let at = 0; at < sound.left.length; at += AAC_FRAME) {
    const count = Math.min(AAC_FRAME, sound.left.length - at)
    const planar = new Float32Array(count * 2)
    planar.set(sound.left.subarray(at, at + count))
    planar.set(sound.right.subarray(at, at + count), count)
    const frame = Frame.fromAudioBuffer(Buffer.from(planar.buffer), {
      nbSamples: count,
      format: av.AV_SAMPLE_FMT_FLTP,
      sampleRate: SAMPLE_RATE,
      channelLayout: av.AV_CHANNEL_LAYOUT_STEREO,
      timeBase: { num: 1, den: SAMPLE_RATE },
      pts: BigInt(at),
    })
    await write(frame)
    frame.free()
  }
  await write(null)
}
