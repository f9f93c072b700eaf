import { Decoder, FilterAPI } from 'node-av/api'
import { AVSEEK_FLAG_BACKWARD } from 'node-av/constants'
import type { Frame } from 'node-av/lib'
import type { JobContext } from './child-runtime.js'
import { DecodeFailure } from './decode-failure.js'
import type { Rotation } from './image-types.js'
import { measureQuality } from './quality.js'
import { packets, secondsOf, uprightFilters, withVideo, type VideoInput } from './video-input.js'
import type { VideoFrame } from './video-types.js'

/** What frames are wanted, with the defaults filled in. */
export interface FramesJob {
  file: string
  everyS?: number
  timestamps?: readonly number[]
  maxSide: number
  maxFrames: number
  rotation: Rotation
  maxPixels: number
}

/** A wanted frame further ahead than this is sought by its key frame instead of decoding all that lies between, seconds. */
const seekAheadS = 4

/** Times that the poster is chosen from, seconds: the first pictures of a clip are often a shaky start, and the last ones a pocket. */
const posterTimes = [0.5, 1.5, 3, 6]

/** Sends the wanted frames one by one. */
export function sendFrames(job: FramesJob, context: JobContext): Promise<{ frames: number }> {
  return withVideo(job.file, job.maxPixels, async input => {
    let frames = 0
    for await (const frame of framesAt(input, wantedTimes(job, input), job.maxSide, job.rotation)) {
      if (!(await context.item({ ...frame }))) break
      frames++
    }
    return { frames }
  })
}

/** The frame at a time, or the most telling one of a few early frames. */
export function posterFrame(job: {
  file: string
  atS?: number
  maxSide: number
  rotation: Rotation
  maxPixels: number
}): Promise<VideoFrame> {
  return withVideo(job.file, job.maxPixels, async input => {
    const times = job.atS === undefined ? posterTimes.filter(time => time < input.pictureS) : [job.atS]
    let best: { frame: VideoFrame; score: number } | undefined
    for await (const frame of framesAt(input, times.length > 0 ? times : [0], job.maxSide, job.rotation)) {
      const { sharpness, contrast } = measureQuality(frame)
      // Contrast first: black, white and blurred-to-nothing frames have none. Sharpness counts by its logarithm.
      const score = Math.min(contrast, 0.2) * Math.log1p(sharpness)
      if (!best || score > best.score * 1.1) best = { frame, score }
    }
    if (!best) throw new DecodeFailure('CORRUPT')
    return best.frame
  })
}

function wantedTimes(job: FramesJob, input: VideoInput): number[] {
  if (job.timestamps) return [...job.timestamps].sort((a, b) => a - b).slice(0, job.maxFrames)
  const step = Math.max(job.everyS ?? 1, 0.001)
  const count = Math.max(1, Math.min(job.maxFrames, Math.ceil(input.pictureS / step)))
  return Array.from({ length: count }, (_, i) => i * step)
}

/** The frame on screen at each of the times (ascending). A time behind the end gives the last frame, once. */
async function* framesAt(
  input: VideoInput,
  times: readonly number[],
  maxSide: number,
  rotation: Rotation,
): AsyncGenerator<VideoFrame> {
  const scale = Math.min(1, maxSide / Math.max(input.width, input.height))
  const [width, height] = [Math.max(1, Math.round(input.width * scale)), Math.max(1, Math.round(input.height * scale))]
  const filters = [...uprightFilters(input, width, height, rotation), 'format=rgb24'].join(',')
  const toRgb = FilterAPI.create(filters, { threads: 1 })
  const shown = new ShownFrames(input)
  const frameS = input.fps > 0 ? 1 / input.fps : 0.04
  let next = 0
  let last: { frame: Frame; timeS: number } | undefined
  try {
    for await (const { frame, timeS } of shown.from(times)) {
      const until = timeS + Math.max(frameS, Number(frame.duration) * shown.tick) - 1.5e-3
      while (next < times.length && (times[next] ?? 0) < until) {
        yield { timeS: Math.max(0, timeS), ...(await rgbOf(toRgb, frame)) }
        next++
      }
      shown.wanted = times[next]
      last?.frame.free()
      last = { frame, timeS }
      if (next >= times.length) return
    }
    if (last && next < times.length) yield { timeS: Math.max(0, last.timeS), ...(await rgbOf(toRgb, last.frame)) }
    if (!last) throw new DecodeFailure('CORRUPT')
  } finally {
    last?.frame.free()
    toRgb.close()
  }
}

async function rgbOf(filter: FilterAPI, frame: Frame): Promise<{ data: Uint8Array; width: number; height: number }> {
  const copy = frame.clone()
  const [rgb, ...rest] = copy ? await filter.processAll(copy) : []
  copy?.free()
  for (const more of rest) more.free()
  if (!rgb) throw new DecodeFailure('CORRUPT')
  try {
    return { data: rgb.toBuffer(), width: rgb.width, height: rgb.height }
  } finally {
    rgb.free()
  }
}

/** Decodes forward and jumps ahead where the next wanted time is far. */
class ShownFrames {
  readonly tick: number
  wanted: number | undefined
  private mayJump = true

  constructor(private readonly input: VideoInput) {
    const { num, den } = input.video.timeBase
    this.tick = num / den
  }

  async *from(times: readonly number[]): AsyncGenerator<{ frame: Frame; timeS: number }> {
    this.wanted = times[0]
    let at = -Infinity
    for (;;) {
      if (this.wanted !== undefined && this.mayJump && this.wanted > Math.max(at, 0) + seekAheadS) {
        await this.jump(this.wanted)
      }
      let first = true
      let jumped = false
      for await (const shown of this.decode()) {
        if (first && shown.timeS <= at) this.mayJump = false // key frames lie further apart than the jump
        first = false
        if (shown.timeS <= at) {
          shown.frame.free()
          continue
        }
        at = shown.timeS
        yield shown
        if (this.wanted === undefined) return
        if (this.mayJump && this.wanted > at + seekAheadS) {
          jumped = true
          break
        }
      }
      if (!jumped) return
    }
  }

  private async jump(timeS: number): Promise<void> {
    const pts = BigInt(Math.round((timeS + this.input.startS) / this.tick))
    const { context, video } = this.input
    if ((await context.seekFrame(video.index, pts, AVSEEK_FLAG_BACKWARD)) < 0) this.mayJump = false
  }

  /** A decoder of its own after each jump: none of its state comes along. */
  private async *decode(): AsyncGenerator<{ frame: Frame; timeS: number }> {
    const decoder = await Decoder.create(this.input.video, { exitOnError: false, threadCount: 2 })
    const { video } = this.input
    try {
      for await (const packet of packets(this.input, video)) {
        for (const frame of await decoder.decodeAll(packet))
          yield { frame, timeS: secondsOf(this.input, video, frame.pts) }
      }
      for (const frame of await decoder.decodeAll(null)) yield { frame, timeS: secondsOf(this.input, video, frame.pts) }
    } finally {
      decoder.close()
    }
  }
}
