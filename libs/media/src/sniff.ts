import type { ImageFormat } from './image-types.js'
import type { VideoContainer } from './video-types.js'

/** What the first bytes of a file say it is. `words` completes "This file is ...". */
export type Sniffed =
  | { kind: 'image'; format: ImageFormat; contentType: string }
  | { kind: 'video'; format: VideoContainer; contentType: string }
  /** Pictures, videos and sound that Keepsake does not read. */
  | { kind: 'unsupported'; format: string; contentType: string; words: string }
  /** Known, and not media. */
  | { kind: 'other'; format: string; contentType: string; words: string }
  | { kind: 'empty' }
  | { kind: 'unknown' }

/** Bytes that `sniff` wants to see at most; fewer are fine where the file has no more. */
export const sniffBytes = 4096

const imageTypes: Record<ImageFormat, string> = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  avif: 'image/avif',
  heic: 'image/heic',
  gif: 'image/gif',
  tiff: 'image/tiff',
  jxl: 'image/jxl',
}

const videoTypes: Record<VideoContainer, string> = {
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
}

/** Signatures at a fixed place, longest knowledge first. `at` is the offset in bytes. */
const signatures: { bytes: string; at?: number; found: Sniffed }[] = [
  { bytes: '\xff\xd8\xff', found: image('jpeg') },
  { bytes: '\x89PNG\r\n\x1a\n', found: image('png') },
  { bytes: 'GIF87a', found: image('gif') },
  { bytes: 'GIF89a', found: image('gif') },
  { bytes: 'WEBP', at: 8, found: image('webp') },
  { bytes: '\xff\x0a', found: image('jxl') },
  { bytes: '\0\0\0\x0cJXL \r\n\x87\n', found: image('jxl') },
  { bytes: 'CR', at: 8, found: unsupported('cr2', 'image/x-canon-cr2', 'a camera raw file') },
  { bytes: 'II*\0', found: image('tiff') },
  { bytes: 'MM\0*', found: image('tiff') },
  { bytes: 'II+\0', found: image('tiff') },
  { bytes: 'MM\0+', found: image('tiff') },
  { bytes: '\0\0\0\x0cjP  \r\n\x87\n', found: unsupported('jp2', 'image/jp2', 'a JPEG 2000 picture') },
  { bytes: 'BM', found: unsupported('bmp', 'image/bmp', 'a BMP picture') },
  { bytes: '8BPS', found: unsupported('psd', 'image/vnd.adobe.photoshop', 'a Photoshop document') },
  { bytes: '\0\0\x01\0', found: unsupported('ico', 'image/x-icon', 'an icon') },
  { bytes: 'FUJIFILMCCD-RAW', found: unsupported('raf', 'image/x-fuji-raf', 'a camera raw file') },
  { bytes: 'AVI ', at: 8, found: unsupported('avi', 'video/x-msvideo', 'an AVI video') },
  { bytes: 'WAVE', at: 8, found: unsupported('wav', 'audio/wav', 'a sound file') },
  { bytes: '\0\0\x01\xba', found: unsupported('mpeg', 'video/mpeg', 'an MPEG video') },
  { bytes: '\0\0\x01\xb3', found: unsupported('mpeg', 'video/mpeg', 'an MPEG video') },
  { bytes: 'FLV\x01', found: unsupported('flv', 'video/x-flv', 'a Flash video') },
  { bytes: '\x30\x26\xb2\x75\x8e\x66\xcf\x11', found: unsupported('asf', 'video/x-ms-asf', 'a Windows Media file') },
  { bytes: 'OggS', found: unsupported('ogg', 'application/ogg', 'an Ogg file') },
  { bytes: 'ID3', found: unsupported('mp3', 'audio/mpeg', 'a sound file') },
  { bytes: 'fLaC', found: unsupported('flac', 'audio/flac', 'a sound file') },
  { bytes: 'PK\x03\x04', found: other('zip', 'application/zip', 'a ZIP archive or an office document') },
  { bytes: 'PK\x05\x06', found: other('zip', 'application/zip', 'an empty ZIP archive') },
  { bytes: 'Rar!\x1a\x07', found: other('rar', 'application/vnd.rar', 'a RAR archive') },
  { bytes: "7z\xbc\xaf'\x1c", found: other('7z', 'application/x-7z-compressed', 'a 7-Zip archive') },
  { bytes: '\x1f\x8b', found: other('gzip', 'application/gzip', 'a compressed archive') },
  { bytes: 'BZh', found: other('bzip2', 'application/x-bzip2', 'a compressed archive') },
  { bytes: '\xfd7zXZ\0', found: other('xz', 'application/x-xz', 'a compressed archive') },
  { bytes: 'ustar', at: 257, found: other('tar', 'application/x-tar', 'an archive') },
  { bytes: '%PDF-', found: other('pdf', 'application/pdf', 'a PDF document') },
  { bytes: '%!PS', found: other('postscript', 'application/postscript', 'a PostScript document') },
  { bytes: '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', found: other('ole', 'application/x-ole-storage', 'an office document') },
  { bytes: 'MZ', found: other('exe', 'application/vnd.microsoft.portable-executable', 'a Windows program') },
  { bytes: '\x7fELF', found: other('elf', 'application/x-executable', 'a program') },
  { bytes: '\xcf\xfa\xed\xfe', found: other('macho', 'application/x-mach-binary', 'a program') },
  { bytes: '\xca\xfe\xba\xbe', found: other('class', 'application/java-vm', 'a program') },
  { bytes: '#!', found: other('script', 'text/x-shellscript', 'a script') },
  { bytes: 'SQLite format 3\0', found: other('sqlite', 'application/vnd.sqlite3', 'a database') },
  { bytes: '\0asm', found: other('wasm', 'application/wasm', 'a program') },
]

/** Brands of the `ftyp` box (ISO/IEC 14496-12 and 23008-12, MIAF, AV1-ISOBMFF). */
const avifBrands = new Set(['avif', 'avis'])
const heicBrands = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1', 'mif2'])

/**
 * Says what a file is from its first bytes (up to `sniffBytes`), never from its name. A file that is two things at once is what its first bytes say:
 * that is how every decoder reads it.
 */
export function sniff(head: Uint8Array): Sniffed {
  if (head.length === 0) return { kind: 'empty' }
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, sniffBytes)).toString('latin1')
  // `RIFF`-less WEBP, or `CR` behind something that is no TIFF, would be a coincidence.
  for (const { bytes, at = 0, found } of signatures) {
    if (!text.startsWith(bytes, at)) continue
    if (at === 8 && !(text.startsWith('RIFF') || text.startsWith('II*\0'))) continue
    return found
  }
  return isoMedia(text) ?? matroska(text) ?? transportStream(text) ?? written(text) ?? { kind: 'unknown' }
}

function isoMedia(text: string): Sniffed | undefined {
  const type = text.slice(4, 8)
  // QuickTime files before 2001 have no ftyp and begin with any of these.
  if (['moov', 'mdat', 'wide', 'pnot'].includes(type)) return video('mov')
  if (type === 'free' || type === 'skip') return video('mov')
  if (type !== 'ftyp') return undefined
  const size = Buffer.from(text.slice(0, 4), 'latin1').readUInt32BE()
  const major = text.slice(8, 12)
  const brands = [major]
  for (let at = 16; at + 4 <= Math.min(size, text.length, 256); at += 4) brands.push(text.slice(at, at + 4))
  if (major === 'crx ') return unsupported('cr3', 'image/x-canon-cr3', 'a camera raw file')
  if (major === 'jxl ') return image('jxl')
  if (avifBrands.has(major) || heicBrands.has(major)) {
    // mif1 and msf1 name the structure only; the codec stands among the others.
    const codec = brands.find(brand => avifBrands.has(brand)) ? 'avif' : 'heic'
    return image(codec)
  }
  return major === 'qt  ' ? video('mov') : video('mp4')
}

function matroska(text: string): Sniffed | undefined {
  if (!text.startsWith('\x1a\x45\xdf\xa3')) return undefined
  // DocType (0x4282), then a length byte, then the word.
  const docType = /\x42\x82[\x80-\x90]([a-z]+)/.exec(text.slice(0, 128))?.[1]
  return docType === 'webm' ? video('webm') : video('mkv')
}

function transportStream(text: string): Sniffed | undefined {
  const packets = text.length > 376 && [0, 188, 376].every(at => text[at] === 'G')
  const m2ts = text.length > 580 && [4, 196, 388, 580].every(at => text[at] === 'G')
  return packets || m2ts ? unsupported('mpegts', 'video/mp2t', 'an MPEG transport stream') : undefined
}

function written(latin1: string): Sniffed | undefined {
  const utf16 = latin1.startsWith('\xff\xfe') || latin1.startsWith('\xfe\xff')
  const text = utf16 ? latin1.slice(2).replaceAll('\0', '') : latin1.replace(/^\xef\xbb\xbf/, '')
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]/.test(text)) return undefined
  const start = text.trimStart().slice(0, 1024).toLowerCase()
  if (start.startsWith('<svg') || (start.startsWith('<') && /<svg[\s>]/.test(start) && !start.includes('<html'))) {
    return other('svg', 'image/svg+xml', 'a drawing (SVG)')
  }
  if (start.startsWith('<!doctype html') || /^<(html|head|body|script)[\s>]/.test(start) || start.includes('<html')) {
    return other('html', 'text/html', 'a web page')
  }
  if (start.startsWith('<?xml') || start.startsWith('<x:xmpmeta'))
    return other('xml', 'application/xml', 'an XML document')
  if (start.startsWith('{') || start.startsWith('[')) return other('json', 'application/json', 'a data file')
  return other('text', 'text/plain', 'a text file')
}

function image(format: ImageFormat): Sniffed {
  return { kind: 'image', format, contentType: imageTypes[format] }
}

function video(format: VideoContainer): Sniffed {
  return { kind: 'video', format, contentType: videoTypes[format] }
}

function unsupported(format: string, contentType: string, words: string): Sniffed {
  return { kind: 'unsupported', format, contentType, words }
}

function other(format: string, contentType: string, words: string): Sniffed {
  return { kind: 'other', format, contentType, words }
}
