import type { ByteSource } from './byte-source.js'

/** What the head of an MP4 or MOV file says, read without any decoder. */
export interface QuickTimeFacts {
  /** com.apple.quicktime.content.identifier: pairs a clip with its still. */
  readonly contentIdentifier?: string
  /** com.apple.quicktime.creationdate as written. */
  readonly creationDate?: string
  /** Seconds. */
  readonly durationS?: number
  /** UTC, epoch ms. */
  readonly createdMs?: number
}

const MAX_BOXES = 256
const MAX_META_BYTES = 1024 * 1024
/** QuickTime counts from 1904. */
const EPOCH_1904_MS = Date.UTC(1904, 0, 1)

/**
 * Looks for the few facts that pair a clip with its still. A look of its own, because an upload must not wait for the video children,
 * which may be busy for minutes. Says nothing where the file is no MP4 or MOV or is broken.
 */
export async function readQuickTime(source: ByteSource): Promise<QuickTimeFacts> {
  const moov = await find(source, 0, source.size, 'moov')
  if (!moov) return {}
  const mvhd = await find(source, moov.start, moov.end, 'mvhd')
  const meta = await find(source, moov.start, moov.end, 'meta')
  return { ...(mvhd && header(await read(source, mvhd))), ...(meta && keyed(await read(source, meta))) }
}

interface Box {
  /** First byte of the content. */
  start: number
  end: number
}

async function find(source: ByteSource, from: number, to: number, type: string): Promise<Box | undefined> {
  let at = from
  for (let i = 0; i < MAX_BOXES && at + 8 <= to; i++) {
    const head = await source.read(at, 16)
    if (head.length < 8) return undefined
    const small = head.readUInt32BE(0)
    if (small === 1 && head.length < 16) return undefined
    const start = at + (small === 1 ? 16 : 8)
    const end = small === 0 ? to : at + (small === 1 ? Number(head.readBigUInt64BE(8)) : small)
    if (end < start || end > to) return undefined
    if (head.toString('latin1', 4, 8) === type) return { start, end }
    at = end
  }
  return undefined
}

const read = (source: ByteSource, box: Box): Promise<Buffer> =>
  source.read(box.start, Math.min(box.end - box.start, MAX_META_BYTES))

function header(mvhd: Buffer): QuickTimeFacts {
  const long = mvhd[0] === 1
  if (mvhd.length < (long ? 32 : 20)) return {}
  const created = long ? Number(mvhd.readBigUInt64BE(4)) : mvhd.readUInt32BE(4)
  const scale = mvhd.readUInt32BE(long ? 20 : 12)
  const units = long ? Number(mvhd.readBigUInt64BE(24)) : mvhd.readUInt32BE(16)
  return {
    ...(scale > 0 && { durationS: units / scale }),
    ...(created > 0 && { createdMs: EPOCH_1904_MS + created * 1000 }),
  }
}

/** `meta` of QuickTime: `hdlr`, `keys` (names) and `ilst` (values by the number of their name). */
function keyed(meta: Buffer): QuickTimeFacts {
  // ISO files put four bytes of version before the boxes, QuickTime does not.
  const first = meta.toString('latin1', 4, 8) === 'hdlr' ? 0 : 4
  let keys: string[] = []
  const values = new Map<number, string>()
  for (const [type, body] of boxes(meta.subarray(first))) {
    if (type === 'keys' && body.length >= 8) keys = boxes(body.subarray(8)).map(([, name]) => name.toString('utf8'))
    if (type === 'ilst') {
      for (const [, item, index] of boxes(body)) {
        const [data] = boxes(item)
        if (data && data[0] === 'data') values.set(index, data[1].toString('utf8', 8, 8 + 256))
      }
    }
  }
  const value = (name: string) => {
    const index = keys.indexOf(name)
    return index < 0 ? undefined : values.get(index + 1)
  }
  const contentIdentifier = value('com.apple.quicktime.content.identifier')
  const creationDate = value('com.apple.quicktime.creationdate')
  return { ...(contentIdentifier && { contentIdentifier }), ...(creationDate && { creationDate }) }
}

/** Type, content, and the type read as a number, of each box. */
function boxes(bytes: Buffer): [string, Buffer, number][] {
  const found: [string, Buffer, number][] = []
  for (let at = 0; at + 8 <= bytes.length && found.length < MAX_BOXES;) {
    const size = bytes.readUInt32BE(at)
    if (size < 8 || at + size > bytes.length) break
    found.push([
      bytes.toString('latin1', at + 4, at + 8),
      bytes.subarray(at + 8, at + size),
      bytes.readUInt32BE(at + 4),
    ])
    at += size
  }
  return found
}
