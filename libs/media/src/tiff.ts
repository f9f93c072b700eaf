/** Interleaved 8-bit pixels. */
export interface RawPixels {
  data: Uint8Array
  width: number
  height: number
  channels: 3 | 4
}

/** Wraps pixels and their ICC profile into an uncompressed TIFF (TIFF 6.0, one strip), the plainest file that carries both. */
export function tiffOf({ data, width, height, channels }: RawPixels, icc: Uint8Array): Buffer {
  const entries: [tag: number, type: number, count: number, value: number][] = []
  const count = channels === 4 ? 11 : 10
  const ifd = 8
  const bits = ifd + 2 + count * 12 + 4
  const profile = bits + 8
  const pixels = profile + icc.length + (icc.length % 2)
  const short = 3
  const long = 4
  entries.push([256, long, 1, width], [257, long, 1, height], [258, short, channels, bits], [259, short, 1, 1])
  entries.push([262, short, 1, 2], [273, long, 1, pixels], [277, short, 1, channels], [278, long, 1, height])
  entries.push([279, long, 1, data.length])
  if (channels === 4) entries.push([338, short, 1, 2])
  entries.push([34675, 7, icc.length, profile])

  const head = Buffer.alloc(pixels)
  head.write('II*\0', 0, 'latin1')
  head.writeUInt32LE(ifd, 4)
  head.writeUInt16LE(count, ifd)
  for (const [i, [tag, type, n, value]] of entries.entries()) {
    const at = ifd + 2 + i * 12
    head.writeUInt16LE(tag, at)
    head.writeUInt16LE(type, at + 2)
    head.writeUInt32LE(n, at + 4)
    head.writeUInt32LE(value, at + 8)
  }
  for (let i = 0; i < channels; i++) head.writeUInt16LE(8, bits + i * 2)
  head.set(icc, profile)
  return Buffer.concat([head, data])
}
