import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'

/** What a still says about moving pictures that belong to it. */
export interface LiveMarkers {
  /** Apple's content identifier (maker note 0x0011): equals `VideoProbe.quickTime.contentIdentifier` of the live photo's clip. */
  contentIdentifier?: string
  /** A clip appended to the still (Google, Samsung, Xiaomi motion photos). */
  motionPhoto?: MotionPhoto
}

/** Where the clip of a motion photo lies. */
export interface MotionPhoto {
  /** First byte of the clip in the file. */
  offset: number
  /** Bytes from there to the end of the clip. */
  length: number
  /** Where in the clip the still was taken, seconds, when the file says so. */
  stillAtS?: number
}

/** Bytes of a file that are searched; stills are smaller, and a larger file is no phone's live photo. */
const searched = 64 * 1024 * 1024

/** Reads the markers of a JPEG or HEIC file; empty for anything else. */
export async function liveMarkers(file: string): Promise<LiveMarkers> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(size, searched)), { position: 0 })
    const bytes = buffer.subarray(0, bytesRead)
    const contentIdentifier = appleContentIdentifier(bytes)
    const motionPhoto = await findMotionPhoto(handle, bytes, size)
    return {
      ...(contentIdentifier === undefined ? {} : { contentIdentifier }),
      ...(motionPhoto === undefined ? {} : { motionPhoto }),
    }
  } finally {
    await handle.close()
  }
}

/** Writes the clip of a motion photo to `target` (whole or not at all); false when the file has none. */
export async function writeMotionPhotoVideo(file: string, target: string): Promise<boolean> {
  const { motionPhoto } = await liveMarkers(file)
  if (!motionPhoto) return false
  const { offset, length } = motionPhoto
  const unfinished = `${target}.part`
  try {
    await pipeline(createReadStream(file, { start: offset, end: offset + length - 1 }), createWriteStream(unfinished))
    await rename(unfinished, target)
  } finally {
    await rm(unfinished, { force: true })
  }
  return true
}

/** Apple's maker note: `Apple iOS\0`, version, `MM`, then a big-endian directory; tag 0x0011 is the identifier. Offsets count from the note's start. */
function appleContentIdentifier(bytes: Buffer): string | undefined {
  const note = bytes.indexOf('Apple iOS\0', 0, 'latin1')
  if (note < 0 || note + 16 > bytes.length) return undefined
  const count = bytes.readUInt16BE(note + 14)
  for (let i = 0; i < Math.min(count, 200); i++) {
    const at = note + 16 + i * 12
    if (at + 12 > bytes.length) return undefined
    if (bytes.readUInt16BE(at) !== 0x0011) continue
    const length = bytes.readUInt32BE(at + 4)
    const from = note + bytes.readUInt32BE(at + 8)
    const text = bytes
      .toString('latin1', from, Math.min(from + Math.min(length, 64), bytes.length))
      .replace(/\0.*$/s, '')
    return /^[0-9A-Za-z-]{8,64}$/.test(text) ? text : undefined
  }
  return undefined
}

async function findMotionPhoto(handle: FileHandle, bytes: Buffer, size: number): Promise<MotionPhoto | undefined> {
  const still =
    bytes.toString('latin1', 4, 8) === 'ftyp' ? 'heif' : bytes[0] === 0xff && bytes[1] === 0xd8 ? 'jpeg' : undefined
  if (!still) return undefined
  const xmp = xmpOf(bytes)
  const time = Number(attribute(xmp, '(?:MotionPhoto|MicroVideo)PresentationTimestampUs') ?? NaN)
  const stillAtS = time >= 0 ? { stillAtS: time / 1e6 } : {}
  for (const offset of candidates(bytes, xmp, size, still)) {
    const length = await clipLength(handle, offset, size)
    if (length > 0) return { offset, length, ...stillAtS }
  }
  return undefined
}

/** Places where the clip may begin, the most trustworthy first. */
function* candidates(bytes: Buffer, xmp: string, size: number, still: 'heif' | 'jpeg'): Iterable<number> {
  // Motion Photo format 1.0: the lengths of the container's items, the clip's and what follows it, count from the end.
  const items = [...xmp.matchAll(/<[^<>]*Item:(?:Mime|Semantic|Length)[^<>]*>/g)].map(([item]) => item)
  const clip = items.findIndex(item => /Item:Semantic\s*=\s*["']MotionPhoto["']/.test(item))
  if (clip >= 0) {
    const lengths = items.slice(clip).map(item => Number(attribute(item, 'Item:Length') ?? 0))
    yield size - lengths.reduce((a, b) => a + b, 0)
  }
  // Its forerunner, Micro Video.
  const micro = attribute(xmp, 'GCamera:MicroVideoOffset')
  if (micro !== undefined) yield size - Number(micro)
  // HEIF: the clip is the content of an mpvd box.
  if (still === 'heif') {
    const box = bytes.indexOf('mpvd', 0, 'latin1')
    if (box >= 0) yield box + 4
  }
  // Samsung's trailer.
  const samsung = bytes.indexOf('MotionPhoto_Data', 0, 'latin1')
  if (samsung >= 0) yield samsung + 16
  // The file says that it moves, but the place is wrong (an editor rewrote the still): look for the clip itself.
  if (clip >= 0 || micro !== undefined || attribute(xmp, 'GCamera:MotionPhoto') === '1') {
    const found = /ftyp(?:mp4|isom|iso[2-6]|avc1|qt )/.exec(bytes.toString('latin1', 1024))
    if (found) yield 1024 + found.index - 4
  }
}

/** Bytes of the MP4 at `offset`: its boxes, up to the first thing that is none. 0 when there is no clip. */
async function clipLength(handle: FileHandle, offset: number, size: number): Promise<number> {
  if (!Number.isSafeInteger(offset) || offset <= 0) return 0
  let at = offset
  const seen = new Set<string>()
  for (let i = 0; i < 1000 && at + 8 <= size; i++) {
    const head = Buffer.alloc(16)
    await handle.read(head, 0, 16, at)
    const type = head.toString('latin1', 4, 8)
    if ((at === offset && type !== 'ftyp') || !/^[a-z0-9 ]{4}$/i.test(type)) break
    const small = head.readUInt32BE()
    const length = small === 1 ? Number(head.readBigUInt64BE(8)) : small === 0 ? size - at : small
    if (length < 8 || at + length > size) break
    seen.add(type)
    at += length
  }
  return seen.has('moov') ? at - offset : 0
}

function xmpOf(bytes: Buffer): string {
  const from = bytes.indexOf('<x:xmpmeta', 0, 'latin1')
  if (from < 0) return ''
  const to = bytes.indexOf('</x:xmpmeta>', from, 'latin1')
  return bytes.toString('latin1', from, Math.min(to < 0 ? from + 65_536 : to, from + 262_144))
}

/** An attribute (or simple element) of XMP by the end of its name. */
function attribute(xmp: string, name: string): string | undefined {
  return (
    new RegExp(`${name}\\s*=\\s*["']([^"']{0,200})["']`).exec(xmp)?.[1] ??
    new RegExp(`${name}>([^<]{0,200})<`).exec(xmp)?.[1]
  )
}
