import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
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
  /** So many frames at the start do not move. Default 0. */
  still?: number
  /** A 440 Hz tone whose second second is loud. */
  sound?: boolean
  /** HEVC with 10 bits, BT.2020 and the PQ transfer, as phones record HDR. */
  hdr?: boolean
  /** Leaves the picture out. */
  soundOnly?: boolean
}

const encodeMs = 60_000

/** Writes a video; the container follows from the path's ending (mp4, mov, mkv, webm). */
export async function writeSampleVideo(path: string, video: SampleVideo = {}): Promise<void> {
  const program = fileURLToPath(new URL('./encode-sample-video.js', import.meta.url))
  await promisify(execFile)(process.execPath, [program, path, JSON.stringify(video)], { timeout: encodeMs })
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
