/** What Apple's maker note tells about a picture's companions. */
export interface AppleMakerNote {
  /** Tag 17: the same UUID stands in the clip of a live photo. */
  readonly contentIdentifier?: string
  /** Tag 11: the same UUID stands in every frame of a burst. */
  readonly burstId?: string
}

const SIGNATURE = 'Apple iOS\0'
const BURST_UUID = 0x0b
const CONTENT_IDENTIFIER = 0x11
const ASCII = 2

/** Reads the two identifiers out of an EXIF MakerNote (a big-endian IFD behind a 14-byte header); nothing for other makers. */
export function readAppleMakerNote(note: Uint8Array): AppleMakerNote {
  const bytes = Buffer.from(note.buffer, note.byteOffset, note.byteLength)
  if (bytes.length < 16 || bytes.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) return {}
  const text = (entry: number): string | undefined => {
    const length = bytes.readUInt32BE(entry + 4)
    const start = length <= 4 ? entry + 8 : bytes.readUInt32BE(entry + 8)
    if (bytes.readUInt16BE(entry + 2) !== ASCII || length > 256 || start + length > bytes.length) return undefined
    const value = bytes
      .toString('latin1', start, start + length)
      .replaceAll('\0', '')
      .trim()
    return value === '' ? undefined : value
  }
  let contentIdentifier: string | undefined
  let burstId: string | undefined
  const count = bytes.readUInt16BE(14)
  for (let i = 0; i < count && 16 + i * 12 + 12 <= bytes.length; i++) {
    const entry = 16 + i * 12
    const tag = bytes.readUInt16BE(entry)
    if (tag === CONTENT_IDENTIFIER) contentIdentifier = text(entry)
    if (tag === BURST_UUID) burstId = text(entry)
  }
  return { ...(contentIdentifier && { contentIdentifier }), ...(burstId && { burstId }) }
}
