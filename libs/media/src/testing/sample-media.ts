import { readFile } from 'node:fs/promises'
import { Encoder, Muxer } from 'node-av/api'
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_LOG_QUIET,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUV420P10LE,
  AV_SAMPLE_FMT_FLTP,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  FF_ENCODER_LIBSVTAV1,
} from 'node-av/constants'
import { Frame, Log } from 'node-av/lib'
import sharp, { type Sharp } from 'sharp'

/** A made-up picture: a gradient with edges and a red square at the top left, so that orientation can be seen. */
export function samplePixels(width: number, height: number, phase = 0): Buffer {
  const data = Buffer.alloc(width * height * 3)
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p += 3) {
      const check = (Math.floor((x + phase) / 16) + Math.floor(y / 16)) % 2 === 0 ? 40 : 0
      data[p] = (x * 200) / width + check
      data[p + 1] = (y * 200) / height + check
      data[p + 2] = 128 + check
      if (x < width / 4 && y < height / 4) data.set([230, 20, 20], p)
    }
  }
  return data
}

/** The made-up picture as the start of a sharp pipeline. */
export function sampleImage(width = 640, height = 480): Sharp {
  return sharp(samplePixels(width, height), { raw: { width, height, channels: 3 } })
}

/** A made-up video. */
export interface SampleVideo {
  codec?: 'h264' | 'hevc' | 'vp8' | 'vp9' | 'av1'
  width?: number
  height?: number
  /** Frames at 25 a second. */
  frames?: number
  /** A 440 Hz tone whose second second is loud. */
  sound?: boolean
  /** HEVC with 10 bits, BT.2020 and the PQ transfer, as phones record HDR. */
  hdr?: boolean
  /** Leaves the picture out. */
  soundOnly?: boolean
}

const encoders = {
  h264: FF_ENCODER_LIBX264,
  hevc: FF_ENCODER_LIBX265,
  vp8: FF_ENCODER_LIBVPX_VP8,
  vp9: FF_ENCODER_LIBVPX_VP9,
  av1: FF_ENCODER_LIBSVTAV1,
} as const

const fps = 25
const sampleRate = 48_000

/** Writes a video; the container follows from the path's ending (mp4, mov, mkv, webm). */
export async function writeSampleVideo(path: string, video: SampleVideo = {}): Promise<void> {
  Log.setLevel(AV_LOG_QUIET)
  // node-av 6.1.1 refuses about one HEVC file in fourteen with "patches welcome" (11 of 150 with one frame); the next try is fine.
  for (let attempt = 1; ; attempt++) {
    try {
      return await encodeSample(path, video)
    } catch (error) {
      if (attempt === 5) throw error
    }
  }
}

async function encodeSample(path: string, video: SampleVideo): Promise<void> {
  const { codec = 'h264', width = 320, height = 240, frames = 25 } = video
  const muxer = await Muxer.open(path)
  try {
    const writers: (() => Promise<void>)[] = []
    if (!video.soundOnly) {
      const colours = video.hdr ? ':colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited' : ''
      const quick = codec === 'hevc' ? { 'x265-params': `log-level=none${colours}`, preset: 'ultrafast' } : {}
      const encoder = await Encoder.create(encoders[codec], {
        gopSize: fps,
        ...(codec === 'h264' ? { options: { preset: 'ultrafast' } } : { options: quick as never }),
      })
      const index = muxer.addStream(encoder)
      writers.push(async () => {
        for (let i = 0; i < frames; i++) {
          const frame = Frame.fromVideoBuffer(
            video.hdr ? tenBits(yuv420(width, height, i * 4)) : yuv420(width, height, i * 4),
            {
              width,
              height,
              format: video.hdr ? AV_PIX_FMT_YUV420P10LE : AV_PIX_FMT_YUV420P,
              pts: BigInt(i),
              timeBase: { num: 1, den: fps },
            },
          )
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

/**
 * A HEIC picture: one HEVC frame from the encoder inside a HEIF container written by hand (ISO/IEC 23008-12): no library here writes HEIC.
 * `quarterTurns` is the `irot` property: anticlockwise turns.
 */
export async function sampleHeic(scratch: string, quarterTurns = 0, width = 320, height = 240): Promise<Buffer> {
  const mp4 = `${scratch}/heic-source.mp4`
  await writeSampleVideo(mp4, { codec: 'hevc', width, height, frames: 1 })
  const bytes = await readFile(mp4)
  const config = boxAt(bytes, 'hvcC')
  const picture = boxAt(bytes, 'mdat')
  const properties = box('ipco', [
    box('hvcC', [config]),
    box('ispe', [u32(0), u32(width), u32(height)]),
    box('irot', [Buffer.from([quarterTurns])]),
  ])
  const meta = (offset: number) =>
    box('meta', [
      u32(0),
      box('hdlr', [u32(0), u32(0), Buffer.from('pict'), Buffer.alloc(13)]),
      box('pitm', [u32(0), u16(1)]),
      box('iloc', [u32(0), Buffer.from([0x44, 0]), u16(1), u16(1), u16(0), u16(1), u32(offset), u32(picture.length)]),
      box('iinf', [u32(0), u16(1), box('infe', [u32(0x02000000), u16(1), u16(0), Buffer.from('hvc1\0')])]),
      box('iprp', [properties, box('ipma', [u32(0), u32(1), u16(1), Buffer.from([3, 0x81, 0x02, 0x83])])]),
    ])
  const type = box('ftyp', [Buffer.from('heic'), u32(0), Buffer.from('mif1heic')])
  const offset = type.length + meta(0).length + 8
  return Buffer.concat([type, meta(offset), box('mdat', [picture])])
}

/** A box of ISO/IEC 14496-12. */
export function box(type: string, content: Buffer[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 8)
  return Buffer.concat([u32(length), Buffer.from(type, 'latin1'), ...content])
}

/** 32 bits, big-endian. */
export function u32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value >>> 0)
  return out
}

/** 16 bits, big-endian. */
export function u16(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeUInt16BE(value)
  return out
}

function boxAt(bytes: Buffer, type: string): Buffer {
  const at = bytes.indexOf(type, 0, 'latin1')
  if (at < 4) throw new Error(`no ${type} box`)
  return bytes.subarray(at + 4, at - 4 + bytes.readUInt32BE(at - 4))
}

async function write(encoder: Encoder, frame: Frame | null, muxer: Muxer, index: number): Promise<void> {
  for (const packet of await encoder.encodeAll(frame)) {
    await muxer.writePacket(packet, index)
    packet.free()
  }
}

/** A new buffer each time: node-av keeps reading the one it was given while it encodes. */
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
