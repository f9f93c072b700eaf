import { open, type FileHandle } from 'node:fs/promises'
import type { ImageFormat } from './image-types.js'

/**
 * Whether the file's own structure says that its end is missing. Asked only after a decoder gave up, to tell "cut off while copying" (upload again) from
 * "damaged": decoders word both alike.
 */
export async function isCutOff(file: string, format: ImageFormat | 'mp4' | 'mkv'): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    switch (format) {
      case 'jpeg':
        return !(await endsWithMarker(handle, size))
      case 'png':
        return await pngRunsOut(handle, size)
      case 'webp': {
        const riff = await bytesAt(handle, 4, 4)
        return riff.length < 4 || riff.readUInt32LE() + 8 > size
      }
      case 'gif':
        return (await bytesAt(handle, size - 1, 1))[0] !== 0x3b
      case 'tiff':
        return await tiffRunsOut(handle, size)
      case 'avif':
      case 'heic':
      case 'jxl':
      case 'mp4':
        return await boxesRunOut(handle, size)
      case 'mkv':
        return await segmentRunsOut(handle, size)
    }
  } finally {
    await handle.close()
  }
}

interface Chunk {
  name: string
  next: number
}

/** Most chunks looked at: a file with more is odd enough to be called damaged. */
const mostChunks = 20_000

async function pngRunsOut(handle: FileHandle, size: number): Promise<boolean> {
  let at = 8
  for (let i = 0; i < mostChunks; i++) {
    const chunk = await pngChunk(handle, at)
    if (!chunk || chunk.next > size) return true
    if (chunk.name === 'IEND') return false
    at = chunk.next
  }
  return false
}

/**
 * ISO boxes: one of them ends behind the end, or the file ends before its index came. What is no box (padding, a vendor's trailer) ends the
 * walk and proves nothing.
 */
async function boxesRunOut(handle: FileHandle, size: number): Promise<boolean> {
  let at = 0
  let indexed = false
  for (let i = 0; i < mostChunks && at < size; i++) {
    const found = await isoBox(handle, at, size)
    if (!found || !/^[a-zA-Z0-9 ]{4}$/.test(found.name) || found.next <= at) return !found && !indexed
    if (found.next > size) return true
    indexed ||= found.name === 'moov' || found.name === 'meta'
    at = found.next
  }
  return !indexed
}

async function pngChunk(handle: FileHandle, at: number): Promise<Chunk | undefined> {
  const head = await bytesAt(handle, at, 8)
  if (head.length < 8) return undefined
  return { name: head.toString('latin1', 4, 8), next: at + 12 + head.readUInt32BE() }
}

async function isoBox(handle: FileHandle, at: number, size: number): Promise<Chunk | undefined> {
  const head = await bytesAt(handle, at, 16)
  if (head.length < 8) return undefined
  const small = head.readUInt32BE()
  const name = head.toString('latin1', 4, 8)
  if (small === 0) return { name, next: size }
  if (small !== 1) return { name, next: at + small }
  return head.length < 16 ? undefined : { name, next: at + Number(head.readBigUInt64BE(8)) }
}

/** Matroska: the EBML header, then one Segment with its size (RFC 8794, RFC 9559). An unknown size (a live recording) says nothing. */
async function segmentRunsOut(handle: FileHandle, size: number): Promise<boolean> {
  const head = await bytesAt(handle, 0, 256)
  const header = head.length > 5 ? vint(head, 4) : undefined
  if (!header) return true
  const segment = 4 + header.bytes + header.value
  if (segment + 12 > head.length || head.readUInt32BE(segment) !== 0x18538067) return false
  const length = vint(head, segment + 4)
  if (!length || length.value === 2 ** (7 * length.bytes) - 1) return false
  return segment + 4 + length.bytes + length.value > size
}

/** A variable-size integer: leading zero bits say how many bytes follow. */
function vint(bytes: Buffer, at: number): { value: number; bytes: number } | undefined {
  const first = bytes[at]
  if (first === undefined || first === 0) return undefined
  const length = Math.clz32(first) - 23
  if (at + length > bytes.length) return undefined
  let value = first & (0xff >> length)
  for (let i = 1; i < length; i++) value = value * 256 + (bytes[at + i] ?? 0)
  return { value, bytes: length }
}

/** An end-of-image marker in the last part of the file; cameras and phones append other things behind it. */
async function endsWithMarker(handle: FileHandle, size: number): Promise<boolean> {
  const tail = await bytesAt(handle, Math.max(0, size - 64 * 1024), 64 * 1024)
  return tail.lastIndexOf(Buffer.from([0xff, 0xd9])) >= 0
}

/** The first directory or one of its strips or tiles lies behind the end (classic TIFF). */
async function tiffRunsOut(handle: FileHandle, size: number): Promise<boolean> {
  const head = await bytesAt(handle, 0, 8)
  if (head.length < 8) return true
  const little = head[0] === 0x49
  const u16 = (b: Buffer, o: number) => (little ? b.readUInt16LE(o) : b.readUInt16BE(o))
  const u32 = (b: Buffer, o: number) => (little ? b.readUInt32LE(o) : b.readUInt32BE(o))
  const ifd = u32(head, 4)
  const counted = await bytesAt(handle, ifd, 2)
  if (counted.length < 2) return true
  const entries = await bytesAt(handle, ifd + 2, u16(counted, 0) * 12)
  if (entries.length < u16(counted, 0) * 12) return true
  const lists: Record<number, number[]> = {}
  for (let at = 0; at < entries.length; at += 12) {
    const tag = u16(entries, at)
    // StripOffsets, StripByteCounts, TileOffsets, TileByteCounts
    if (![273, 279, 324, 325].includes(tag)) continue
    const bytes = u16(entries, at + 2) === 3 ? 2 : 4
    const count = Math.min(u32(entries, at + 4), 100_000)
    const inside = count * bytes <= 4
    const values = inside
      ? entries.subarray(at + 8, at + 12)
      : await bytesAt(handle, u32(entries, at + 8), count * bytes)
    if (!inside && values.length < count * bytes) return true
    lists[tag] = Array.from({ length: count }, (_, i) => (bytes === 2 ? u16(values, i * 2) : u32(values, i * 4)))
  }
  const offsets = lists[273] ?? lists[324] ?? []
  const lengths = lists[279] ?? lists[325] ?? []
  return offsets.some((offset, i) => offset + (lengths[i] ?? 0) > size)
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(length, 4 * 1024 * 1024))
  if (position < 0) return buffer.subarray(0, 0)
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
  return buffer.subarray(0, bytesRead)
}
