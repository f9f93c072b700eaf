import { wallClock, type ClockReading } from './wall-clock.js'

/**
 * Times that cameras from before EXIF wrote into JPEG: Olympus and Agfa as text in APP12, Canon as CIFF in APP0. Both count
 * seconds since 1970 on the wall clock. Family albums hold such pictures: they were the first digital ones.
 */
export function earlyReadings(jpeg: Buffer): ClockReading[] {
  const readings: ClockReading[] = []
  if (jpeg.length < 4 || jpeg.readUInt16BE(0) !== 0xffd8) return readings
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff && jpeg[at + 1] !== 0xda;) {
    const length = jpeg.readUInt16BE(at + 2)
    const body = jpeg.subarray(at + 4, at + 2 + length)
    const seconds = jpeg[at + 1] === 0xec ? app12(body) : jpeg[at + 1] === 0xe0 ? ciff(body) : undefined
    if (seconds) readings.push({ asUtcMs: seconds * 1000, precision: 'second' })
    if (length < 2) break
    at += 2 + length
  }
  return readings
}

function app12(body: Buffer): number | undefined {
  const text = body.toString('latin1')
  const match = text.includes('[picture info]') ? /\bTimeDate=(\d{8,10})\b/.exec(text) : null
  return match ? Number(match[1]) : undefined
}

const CIFF_TIMESTAMP = 0x180e
const MAX_ENTRIES = 256

/** A heap whose last four bytes name its directory; entries of 10 bytes, some of them heaps themselves. */
function ciff(body: Buffer): number | undefined {
  if (body.length < 32 || body.toString('latin1', 6, 14) !== 'HEAPJPGM' || body.toString('latin1', 0, 2) !== 'II')
    return undefined
  const search = (heap: Buffer, depth: number): number | undefined => {
    if (heap.length < 6 || depth > 4) return undefined
    const directory = heap.readUInt32LE(heap.length - 4)
    if (directory + 2 > heap.length) return undefined
    const count = Math.min(heap.readUInt16LE(directory), MAX_ENTRIES)
    for (let i = 0; i < count; i++) {
      const entry = directory + 2 + i * 10
      if (entry + 10 > heap.length) return undefined
      const tag = heap.readUInt16LE(entry)
      const size = heap.readUInt32LE(entry + 2)
      const offset = heap.readUInt32LE(entry + 6)
      if ((tag & 0x3fff) === CIFF_TIMESTAMP) {
        if (tag & 0x4000) return size // kept in the entry itself
        if (offset + 4 <= heap.length) return heap.readUInt32LE(offset)
      }
      const isHeap = (tag & 0x3800) === 0x2800 || (tag & 0x3800) === 0x3000
      const found =
        isHeap && offset + size <= heap.length ? search(heap.subarray(offset, offset + size), depth + 1) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }
  return search(body.subarray(body.readUInt32LE(2)), 0)
}

/** Reconyx trail cameras (garden cameras, baby monitors in the wild) keep the time in their maker note only: 16-bit words from the 11th on. */
export function reconyxReading(makerNote: Uint8Array): ClockReading | undefined {
  const note = Buffer.from(makerNote.buffer, makerNote.byteOffset, makerNote.byteLength)
  if (note.length < 34 || note.readUInt16LE(0) !== 0xf101) return undefined
  const word = (i: number) => note.readUInt16LE(i * 2)
  return wallClock({
    year: word(16),
    month: word(14),
    day: word(15),
    hour: word(13),
    minute: word(12),
    second: word(11),
  })
}
