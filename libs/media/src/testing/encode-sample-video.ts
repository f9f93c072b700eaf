import { Encoder, Muxer } from 'node-av/api'
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_LOG_QUIET,
  AV_SAMPLE_FMT_FLTP,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  FF_ENCODER_LIBSVTAV1,
} from 'node-av/constants'
import { Frame, Log } from 'node-av/lib'
import { videoFrame } from '../video-frame.js'
import type { SampleVideo } from './sample-media.js'

// A program of its own, started by writeSampleVideo: encoders keep threads and memory that a test's process should not hold.
// Arguments: the path, and the video as JSON.

const encoders = {
  h264: FF_ENCODER_LIBX264,
  hevc: FF_ENCODER_LIBX265,
  vp8: FF_ENCODER_LIBVPX_VP8,
  vp9: FF_ENCODER_LIBVPX_VP9,
  av1: FF_ENCODER_LIBSVTAV1,
} as const

const fps = 25
const sampleRate = 48_000

async function encodeSample(path: string, video: SampleVideo): Promise<void> {
  const { codec = 'h264', width = 320, height = 240, frames = 25, still = 0 } = video
  const muxer = await Muxer.open(path)
  try {
    const writers: (() => Promise<void>)[] = []
    if (!video.soundOnly) {
      const colours = video.hdr ? ':colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited' : ''
      // No B-frames: with fewer frames than its reordering delay, x265 takes the decoding times from memory it never wrote.
      const quick = codec === 'hevc' ? { 'x265-params': `log-level=none:bframes=0${colours}`, preset: 'ultrafast' } : {}
      const encoder = await Encoder.create(encoders[codec], {
        gopSize: fps,
        ...(codec === 'h264' ? { options: { preset: 'ultrafast' } } : { options: quick as never }),
      })
      const index = muxer.addStream(encoder)
      writers.push(async () => {
        for (let i = 0; i < frames; i++) {
          const picture = yuv420(width, height, Math.max(0, i - still) * 4)
          const frame = videoFrame(video.hdr ? tenBits(picture) : picture, {
            width,
            height,
            bits: video.hdr ? 10 : 8,
            pts: BigInt(i),
            timeBase: { num: 1, den: fps },
          })
          await write(encoder, frame, muxer, index)
          frame.free()
        }
        await write(encoder, null, muxer, index)
        encoder.close()
      })
    }
    if (video.sound || video.soundOnly) {
      const encoder = await Encoder.create(FF_ENCODER_AAC, { bitrate: 96_000 })
      const index = muxer.addStream(encoder)
      writers.push(async () => {
        const total = Math.round((frames / fps) * sampleRate)
        for (let at = 0; at + 1024 <= total; at += 1024) {
          const frame = Frame.fromAudioBuffer(tone(at), {
            nbSamples: 1024,
            format: AV_SAMPLE_FMT_FLTP,
            sampleRate,
            channelLayout: AV_CHANNEL_LAYOUT_MONO,
            pts: BigInt(at),
            timeBase: { num: 1, den: sampleRate },
          })
          await write(encoder, frame, muxer, index)
          frame.free()
        }
        await write(encoder, null, muxer, index)
        encoder.close()
      })
    }
    // Together, because the muxer waits for the first packet of every stream.
    await Promise.all(writers.map(run => run()))
  } finally {
    await muxer.close()
  }
}

async function write(encoder: Encoder, frame: Frame | null, muxer: Muxer, index: number): Promise<void> {
  for (const packet of await encoder.encodeAll(frame)) {
    await muxer.writePacket(packet, index)
    packet.free()
  }
}

function yuv420(width: number, height: number, phase: number): Buffer {
  const luma = width * height
  const data = Buffer.alloc(luma + luma / 2, 128)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[y * width + x] = 40 + ((x + phase) % 128) + (Math.floor(y / 16) % 2) * 40
    }
  }
  return data
}

function tenBits(eight: Buffer): Buffer {
  return Buffer.from(Uint16Array.from(eight, value => value * 4).buffer)
}

function tone(at: number): Buffer {
  const samples = new Float32Array(1024)
  for (let i = 0; i < samples.length; i++) {
    const t = (at + i) / sampleRate
    samples[i] = (Math.floor(t) === 1 ? 0.5 : 0.05) * Math.sin(2 * Math.PI * 440 * t)
  }
  return Buffer.from(samples.buffer)
}

const [path = '', video = '{}'] = process.argv.slice(2)
Log.setLevel(AV_LOG_QUIET)
await encodeSample(path, JSON.parse(video) as SampleVideo)
