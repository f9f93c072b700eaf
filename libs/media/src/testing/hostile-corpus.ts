import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import type { MediaFailure } from '../errors.js'
import { box, sampleHeic, sampleImage, u16, u32, writeSampleVideo } from './sample-media.js'

/** How a file may end: shown, or with one of the reasons. */
export type HostileOutcome = 'ready' | MediaFailure

/** One file of the corpus. */
export interface HostileFile {
  /** The name it is uploaded under; it may hold what no disk accepts. */
  name: string
  /** Where it lies. */
  path: string
  /** Every outcome that is right; several where decoders may differ by version. */
  expect: readonly HostileOutcome[]
  /** What is wrong with it. */
  why: string
}

/** Writes the whole corpus (about 100 files, 20 MB) into a folder. Everything is made here; the same call makes the same bytes but for the encoders' versions. */
export async function makeHostileCorpus(folder: string): Promise<HostileFile[]> {
  await mkdir(folder, { recursive: true })
  const scratch = join(folder, 'made-from')
  await mkdir(scratch, { recursive: true })
  const base = await baseFiles(scratch)
  const files: HostileFile[] = []
  const add = async (name: string, bytes: Uint8Array | string, expect: HostileOutcome[], why: string) => {
    const safe = name.replaceAll('\0', '␀').replaceAll('/', '_').slice(-80)
    const path = join(folder, `${String(files.length).padStart(3, '0')}-${safe}`)
    await writeFile(path, bytes)
    files.push({ name, path, expect, why })
  }
  await bombs(add, base)
  await truncated(add, base)
  await polyglots(add, base)
  await notMedia(add, base)
  await rightMagic(add)
  await oddities(add, base)
  await videos(add, base)
  await names(add, base)
  return files
}

/** A folder with what an importer meets: links to files, to folders, to nothing, to itself, a loop, and a link out of the folder. */
export async function makeLinkTraps(folder: string): Promise<{ real: string[] }> {
  const inside = join(folder, 'inside')
  await mkdir(inside, { recursive: true })
  const photo = join(inside, 'photo.jpg')
  await writeFile(photo, await sampleImage(64, 48).jpeg().toBuffer())
  await symlink(photo, join(folder, 'link-to-photo.jpg'))
  await symlink(folder, join(inside, 'loop'))
  await symlink(join(folder, 'nothing.jpg'), join(folder, 'dangling.jpg'))
  await symlink(join(folder, 'itself.jpg'), join(folder, 'itself.jpg'))
  await symlink('/etc/passwd', join(folder, 'passwd.jpg'))
  await symlink('/', join(folder, 'root'))
  return { real: [photo] }
}

type Add = (name: string, bytes: Uint8Array | string, expect: HostileOutcome[], why: string) => Promise<void>

interface Base {
  jpeg: Buffer
  png: Buffer
  webp: Buffer
  gif: Buffer
  tiff: Buffer
  avif: Buffer
  heic: Buffer
  turnedHeic: Buffer
  mp4: Buffer
  mov: Buffer
  mkv: Buffer
  webm: Buffer
  hevc: Buffer
  soundOnly: Buffer
}

async function baseFiles(scratch: string): Promise<Base> {
  const video = async (name: string, options: Parameters<typeof writeSampleVideo>[1]) => {
    await writeSampleVideo(join(scratch, name), options)
    return readFile(join(scratch, name))
  }
  const image = () => sampleImage()
  return {
    jpeg: await image().jpeg().toBuffer(),
    png: await image().png().toBuffer(),
    webp: await image().webp().toBuffer(),
    gif: await image().gif().toBuffer(),
    tiff: await image().tiff({ compression: 'deflate' }).toBuffer(),
    avif: await image().avif({ effort: 0 }).toBuffer(),
    heic: await sampleHeic(scratch),
    turnedHeic: await sampleHeic(scratch, 1),
    mp4: await video('a.mp4', { sound: true }),
    mov: await video('a.mov', {}),
    mkv: await video('a.mkv', {}),
    webm: await video('a.webm', { codec: 'vp8' }),
    hevc: await video('hevc.mp4', { codec: 'hevc' }),
    soundOnly: await video('sound.mp4', { soundOnly: true }),
  }
}

/** Small files that ask for a lot of memory or time. */
async function bombs(add: Add, base: Base): Promise<void> {
  const many: HostileOutcome[] = ['TOO_MANY_PIXELS']
  const blank = deflateSync(Buffer.alloc((30_000 / 8 + 1) * 30_000), { level: 9 })
  await add(
    'bomb.png',
    png(30_000, 30_000, blank, { depth: 1 }),
    many,
    'a PNG of 110 KB that really unpacks to 30,000 x 30,000',
  )
  await add(
    'bomb-claimed.png',
    patch(base.png, 16, [u32(2_000_000), u32(2_000_000)]),
    many,
    'a PNG header that claims 4 terapixels',
  )
  await add(
    'bomb.tiff',
    tiff(30_000, 30_000, deflateSync(Buffer.alloc(3750 * 30_000), { level: 9 })),
    many,
    'a TIFF that really unpacks to 30,000 x 30,000',
  )
  await add(
    'bomb.webp',
    webpOfSize(await sampleImage(64, 64).webp({ lossless: true }).toBuffer(), 16_383),
    many,
    'a lossless WebP that claims the largest size of its format',
  )
  const huge = [u32(30_000), u32(30_000)]
  await add(
    'bomb.avif',
    patchAfter(base.avif, 'ispe', 4, huge),
    ['TOO_MANY_PIXELS', 'CORRUPT'],
    'an AVIF that claims 30,000 x 30,000',
  )
  await add(
    'bomb.heic',
    patchAfter(base.heic, 'ispe', 4, huge),
    ['TOO_MANY_PIXELS', 'CORRUPT'],
    'a HEIC that claims 30,000 x 30,000',
  )
  await add('bomb.gif', gifOfFrames(1, 0xffff), many, 'a GIF of 65,535 x 65,535')
  await add('bomb.jpg', patchSof(base.jpeg, 65_500, 65_500), many, 'a JPEG that claims 65,500 x 65,500')
  const limit = deflateSync(Buffer.alloc((9_990 * 4 + 1) * 9_990), { level: 6 })
  await add(
    'just-below.png',
    png(9_990, 9_990, limit, { depth: 8, colour: 6 }),
    ['ready'],
    '99.8 megapixels with alpha, just below the limit, from 400 KB',
  )
  await add('frames-100000.gif', gifOfFrames(100_000), ['ready'], 'a GIF of 100,000 frames: only the first is wanted')
  const scans = await sampleImage(1200, 900).jpeg({ progressive: true }).toBuffer()
  await add(
    'scans.jpg',
    repeatLastScan(scans, 3000),
    ['ready', 'CORRUPT', 'TOO_LONG_TO_DECODE'],
    'a progressive JPEG with 3,000 scans over the whole picture',
  )
  await add(
    'text-bomb.png',
    pngWithChunk(base.png, 'zTXt', Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(200_000_000))])),
    ['ready', 'CORRUPT'],
    'a PNG whose comment unpacks to 200 MB',
  )
  await add(
    'profile-bomb.png',
    pngWithChunk(base.png, 'iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(Buffer.alloc(100_000_000))])),
    ['ready', 'CORRUPT'],
    'a PNG whose colour profile unpacks to 100 MB',
  )
  await add('pages.tiff', tiffLoop(), ['ready', 'CORRUPT'], 'a TIFF whose page list is a loop')
}

async function truncated(add: Add, base: Base): Promise<void> {
  const cut: HostileOutcome[] = ['TRUNCATED']
  const half = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * 0.6))
  await add('half.jpg', half(base.jpeg), cut, 'the second half is missing')
  await add('head-only.jpg', base.jpeg.subarray(0, 300), [...cut, 'CORRUPT'], 'only the first 300 bytes')
  await add('half.png', half(base.png), cut, 'the second half is missing')
  await add('half.webp', half(base.webp), cut, 'the second half is missing')
  await add('half.gif', half(base.gif), [...cut, 'CORRUPT'], 'the second half is missing')
  await add('half.tiff', half(base.tiff), [...cut, 'CORRUPT'], 'the second half is missing')
  await add('half.avif', half(base.avif), cut, 'the second half is missing')
  await add('half.heic', half(base.heic), cut, 'the second half is missing')
  await add('half.mp4', half(base.mp4), cut, 'the second half is missing, the index with it')
  await add('half.mov', half(base.mov), cut, 'the second half is missing')
  await add('half.mkv', half(base.mkv), cut, 'the second half is missing')
  await add('head-only.mp4', base.mp4.subarray(0, 40), [...cut, 'CORRUPT'], 'only the first 40 bytes')
  await add('one-byte.jpg', Buffer.from([0xff]), ['NOT_MEDIA'], 'a single byte')
  await add('magic-only.png', base.png.subarray(0, 8), [...cut, 'CORRUPT'], 'only the signature')
  await add('magic-only.jpg', base.jpeg.subarray(0, 3), [...cut, 'CORRUPT'], 'only the signature')
}

/** Files that are two things at once: the first bytes decide, and nothing else is ever run. */
async function polyglots(add: Add, base: Base): Promise<void> {
  const zip = Buffer.from('504b0506000000000000000000000000000000000000', 'hex')
  const html = Buffer.from('<html><script>alert(1)</script></html>')
  const pdf = Buffer.from('%PDF-1.4\n1 0 obj<<>>endobj\n')
  await add(
    'photo-and-zip.jpg',
    Buffer.concat([base.jpeg, Buffer.from('PK\x03\x04'), zip]),
    ['ready'],
    'a good JPEG with a ZIP behind it',
  )
  await add(
    'script.gif',
    gifWithComment(base.gif, '*/=1;alert(document.domain);/*'),
    ['ready'],
    'a good GIF that is also JavaScript',
  )
  await add('page.png', Buffer.concat([base.png, html]), ['ready'], 'a good PNG with a web page behind it')
  await add('photo-in.pdf', Buffer.concat([pdf, base.jpeg]), ['NOT_MEDIA'], 'a PDF that holds a JPEG')
  await add('pdf-in.jpg', jpegWithSegment(base.jpeg, 0xfe, pdf), ['ready'], 'a good JPEG whose comment is a PDF')
  await add(
    'zip-then.jpg',
    Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), base.jpeg]),
    ['NOT_MEDIA'],
    'a ZIP with a JPEG stored in it',
  )
  await add('html-then.jpg', Buffer.concat([html, base.jpeg]), ['NOT_MEDIA'], 'a web page with a JPEG behind it')
  await add(
    'php.jpg',
    jpegWithSegment(base.jpeg, 0xfe, Buffer.from('<?php system($_GET[0]); ?>')),
    ['ready'],
    'a good JPEG with PHP in its comment',
  )
  await add('heic-and-mp4.heic', Buffer.concat([base.heic, base.mp4]), ['ready'], 'a good HEIC with a video behind it')
}

async function notMedia(add: Add, base: Base): Promise<void> {
  const no: HostileOutcome[] = ['NOT_MEDIA']
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><image href="file:///etc/passwd"/></svg>'
  await add('empty.jpg', '', ['EMPTY_FILE'], 'no bytes')
  await add('empty.mp4', '', ['EMPTY_FILE'], 'no bytes')
  await add('archive.jpg', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(200)]), no, 'a ZIP named .jpg')
  await add('drawing.svg', svg, no, 'a drawing that would read a local file')
  await add('drawing.png', `<?xml version="1.0"?>\n${svg}`, no, 'an SVG named .png')
  await add('page.jpg', '<!DOCTYPE html><html><body>404</body></html>', no, 'a web page named .jpg')
  await add('notes.jpg', 'Remember the milk.\n', no, 'text named .jpg')
  await add(
    'program.jpg',
    Buffer.concat([Buffer.from('MZ'), Buffer.alloc(500, 0x90)]),
    no,
    'a Windows program named .jpg',
  )
  await add(
    'program.heic',
    Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(500)]),
    no,
    'a Linux program named .heic',
  )
  await add('run.mp4', '#!/bin/sh\nrm -rf "$HOME"\n', no, 'a script named .mp4')
  await add('playlist.mp4', '#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n', no, 'a playlist that points at a local file')
  await add(
    'concat.mp4',
    "ffconcat version 1.0\nfile '/etc/passwd'\n",
    no,
    'a list of FFmpeg that points at a local file',
  )
  await add('noise.jpg', noise(5000, 1), no, 'random bytes')
  await add('zeros.mp4', Buffer.alloc(5000), no, 'only zeros')
  await add('picture.bmp', Buffer.concat([Buffer.from('BM'), Buffer.alloc(200)]), ['UNSUPPORTED_FORMAT'], 'a BMP')
  await add(
    'clip.avi',
    Buffer.concat([Buffer.from('RIFF\x00\x10\0\0AVI LIST'), Buffer.alloc(200)]),
    ['UNSUPPORTED_FORMAT'],
    'an AVI',
  )
  await add(
    'song.jpg',
    Buffer.concat([Buffer.from('ID3\x04'), Buffer.alloc(200)]),
    ['UNSUPPORTED_FORMAT'],
    'an MP3 named .jpg',
  )
  await add('picture.jxl', Buffer.from('ff0a1010', 'hex'), ['UNSUPPORTED_FORMAT'], 'a JPEG XL codestream')
  await add('sound.mp4', base.soundOnly, ['NO_PICTURE'], 'a video file with sound only')
}

/** The right first bytes and random ones behind. */
async function rightMagic(add: Add): Promise<void> {
  const broken: HostileOutcome[] = ['CORRUPT', 'TRUNCATED', 'UNSUPPORTED_FORMAT', 'TOO_MANY_PIXELS', 'NO_PICTURE']
  const magic: [string, string][] = [
    ['noise.jpg', '\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0'],
    ['noise.png', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'],
    ['noise.webp', 'RIFF\x88\x13\0\0WEBPVP8 '],
    ['noise.gif', 'GIF89a\x40\x01\xf0\0'],
    ['noise.tiff', 'II*\0\x08\0\0\0'],
    ['noise.avif', '\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf'],
    ['noise.heic', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['noise.mp4', '\0\0\0\x18ftypisom\0\0\x02\0isomiso2'],
    ['noise.mov', '\0\0\0\x14ftypqt  \0\0\x02\0qt  '],
    ['noise.mkv', '\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska\x42\x87\x81\x04\x42\x85\x81\x02'],
    ['noise.webm', '\x1a\x45\xdf\xa3\x8f\x42\x82\x84webm\x42\x87\x81\x04\x42\x85\x81\x02'],
  ]
  for (const [i, [name, head]] of magic.entries()) {
    await add(
      name,
      Buffer.concat([Buffer.from(head, 'latin1'), noise(5000, i + 10)]),
      broken,
      'random bytes behind the right signature',
    )
  }
}

/** Odd, yet most of them fine. */
async function oddities(add: Add, base: Base): Promise<void> {
  const fine: HostileOutcome[] = ['ready']
  const app1 = 0xe1
  await add(
    'exif-sizes.jpg',
    jpegWithSegment(base.jpeg, app1, absurdExif()),
    fine,
    'EXIF that claims 65,535 entries of 4 GB',
  )
  await add(
    'exif-loop.jpg',
    jpegWithSegment(base.jpeg, app1, loopingExif()),
    fine,
    'EXIF whose directory points at itself',
  )
  const comments = Array.from({ length: 300 }, () => segment(0xfe, Buffer.alloc(65_000, 0x41)))
  await add(
    'comment.jpg',
    Buffer.concat([base.jpeg.subarray(0, 2), ...comments, base.jpeg.subarray(2)]),
    fine,
    '20 MB of comments',
  )
  await add(
    'nested-icc.jpg',
    jpegWithSegment(base.jpeg, 0xe2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\xff', 'latin1'), noise(60_000, 5)])),
    fine,
    'the first of 255 parts of a colour profile, and it is noise',
  )
  await add(
    'bad-icc.png',
    pngWithChunk(base.png, 'iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(noise(4000, 6))])),
    [...fine, 'CORRUPT'],
    'a colour profile of noise',
  )
  await add(
    'zero-size.jpg',
    patchSof(base.jpeg, 0, 0),
    ['CORRUPT', 'TRUNCATED', 'UNSUPPORTED_FORMAT'],
    'a JPEG of 0 x 0',
  )
  await add('zero-size.png', patch(base.png, 16, [u32(0), u32(0)]), ['CORRUPT', 'TRUNCATED'], 'a PNG of 0 x 0')
  await add('bad-crc.png', patch(base.png, 29, [u32(1)]), [...fine, 'CORRUPT'], 'a PNG with a wrong checksum')
  await add(
    'middle-noise.jpg',
    patch(base.jpeg, Math.floor(base.jpeg.length / 2), [noise(800, 7)]),
    [...fine, 'CORRUPT'],
    'noise in the middle of a JPEG',
  )
  await add(
    'middle-noise.png',
    patch(base.png, Math.floor(base.png.length / 2), [noise(800, 8)]),
    [...fine, 'CORRUPT'],
    'noise in the middle of a PNG',
  )
  await add(
    '12-bit.jpg',
    patchByteInSof(base.jpeg, 12),
    ['CORRUPT', 'UNSUPPORTED_FORMAT'],
    'a JPEG that claims 12 bits a channel',
  )
  await add('cmyk.jpg', await sampleImage().toColourspace('cmyk').jpeg().toBuffer(), fine, 'a CMYK JPEG')
  await add(
    '16-bit.png',
    await sampleImage().toColourspace('rgb16').png().toBuffer(),
    fine,
    'a PNG with 16 bits a channel',
  )
  await add('grey.jpg', await sampleImage().greyscale().jpeg().toBuffer(), fine, 'a grey JPEG')
  await add(
    'grey-alpha.png',
    await sampleImage().greyscale().ensureAlpha(0.5).png().toBuffer(),
    fine,
    'grey with alpha',
  )
  await add('palette.png', await sampleImage().png({ palette: true, colours: 8 }).toBuffer(), fine, 'a palette PNG')
  await add('one-pixel.png', await sampleImage(1, 1).png().toBuffer(), fine, 'one pixel')
  await add('strip.png', await sampleImage(9000, 1).png().toBuffer(), fine, '9,000 x 1 pixels')
  await add('tower.jpg', await sampleImage(2, 20_000).jpeg().toBuffer(), fine, '2 x 20,000 pixels')
  await add('turned.heic', base.turnedHeic, fine, 'a HEIC that is to be turned')
}

async function videos(add: Add, base: Base): Promise<void> {
  const broken: HostileOutcome[] = ['CORRUPT', 'TRUNCATED', 'NO_PICTURE']
  const moov = base.mp4.indexOf('moov', 0, 'latin1') - 4
  await add('moov-size.mp4', patch(base.mp4, moov, [u32(0xffffffff)]), broken, 'an index that claims 4 GB')
  await add('moov-tiny.mp4', patch(base.mp4, moov, [u32(9)]), broken, 'an index that claims 9 bytes')
  await add(
    'no-samples.mp4',
    patchAfter(patchAfter(base.mp4, 'stsz', 8, [u32(0)]), 'stts', 4, [u32(0)]),
    [...broken, 'ready'],
    'a track of length zero',
  )
  await add(
    'samples.mp4',
    patchAfter(base.mp4, 'stsz', 8, [u32(0x7fffffff)]),
    [...broken, 'ready'],
    'a track that claims two thousand million samples',
  )
  await add('deep.mp4', nestedBoxes(20_000), broken, 'boxes nested 20,000 deep')
  await add(
    'ftyp-only.mp4',
    box('ftyp', [Buffer.from('isom'), u32(512), Buffer.from('isom')]),
    broken,
    'a type and nothing else',
  )
  const mdat = base.mov.indexOf('mdat', 0, 'latin1') + 4
  await add(
    'blank-data.mov',
    patch(base.mov, mdat, [Buffer.alloc(base.mov.readUInt32BE(mdat - 8) - 8)]),
    broken,
    'a good index over zeros',
  )
  await add(
    'noise-data.mov',
    patch(base.mov, mdat, [noise(base.mov.readUInt32BE(mdat - 8) - 8, 9)]),
    broken,
    'a good index over noise',
  )
  await add(
    'noise-data.mkv',
    patch(base.mkv, Math.floor(base.mkv.length * 0.2), [noise(Math.floor(base.mkv.length * 0.7), 3)]),
    [...broken, 'ready'],
    'noise in most of a Matroska file',
  )
  await add('video.jpg', base.mp4, ['ready'], 'a good MP4 named .jpg')
  await add('hevc.avi', base.hevc, ['ready'], 'a good HEVC video named .avi')
  await add('video.mp4', base.webm, ['ready'], 'a good WebM named .mp4')
  await add('matroska.mov', base.mkv, ['ready'], 'a good MKV named .mov')
}

async function names(add: Add, base: Base): Promise<void> {
  const fine: HostileOutcome[] = ['ready']
  await add('photo.png', base.jpeg, fine, 'a good JPEG named .png')
  await add('photo.heic', base.jpeg, fine, 'a good JPEG named .heic, as some phones send it')
  await add('photo.jpg', base.webp, fine, 'a good WebP named .jpg')
  await add('photo.mp4', base.avif, fine, 'a good AVIF named .mp4')
  await add('photo', base.heic, fine, 'a good HEIC without an ending')
  await add('photo.jpg\0.exe', base.jpeg, fine, 'a NUL in the name')
  await add('\u202egpj.exe', base.jpeg, fine, 'a name that reads backwards')
  await add(`${'long'.repeat(200)}.jpg`, base.jpeg, fine, 'a name of 800 characters')
  await add('👨‍👩‍👧‍👦 été 日本.jpg', base.jpeg, fine, 'emoji and many scripts')
  await add('../../../etc/passwd.jpg', base.jpeg, fine, 'a name that climbs')
  await add("'; drop table media; --.jpg", base.jpeg, fine, 'a name that is SQL')
  await add('<img src=x onerror=alert(1)>.jpg', base.jpeg, fine, 'a name that is HTML')
  await add('-rf.jpg', base.jpeg, fine, 'a name that looks like an option')
}

function png(
  width: number,
  height: number,
  idat: Buffer,
  { depth, colour = 0 }: { depth: number; colour?: number },
): Buffer {
  const header = Buffer.concat([u32(width), u32(height), Buffer.from([depth, colour, 0, 0, 0])])
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', idat), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  return Buffer.concat([u32(data.length), body, u32(crc32(body))])
}

function pngWithChunk(bytes: Buffer, type: string, data: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, 33), chunk(type, data), bytes.subarray(33)])
}

/** One strip, deflated, one bit a pixel. */
function tiff(width: number, height: number, strip: Buffer): Buffer {
  const entries: [number, number][] = [
    [256, width],
    [257, height],
    [258, 1],
    [259, 8],
    [262, 1],
    [273, 8 + 2 + 9 * 12 + 4],
    [277, 1],
    [278, height],
    [279, strip.length],
  ]
  return Buffer.concat([directory(entries, 0), strip])
}

/** A small good picture whose next directory is its own. */
function tiffLoop(): Buffer {
  const strip = deflateSync(Buffer.alloc(8))
  const entries: [number, number][] = [
    [256, 8],
    [257, 8],
    [258, 1],
    [259, 8],
    [262, 1],
    [273, 122],
    [277, 1],
    [278, 8],
    [279, strip.length],
  ]
  return Buffer.concat([directory(entries, 8), strip])
}

function directory(entries: [tag: number, value: number][], next: number): Buffer {
  const out = Buffer.alloc(8 + 2 + entries.length * 12 + 4)
  out.write('II*\0', 'latin1')
  out.writeUInt32LE(8, 4)
  out.writeUInt16LE(entries.length, 8)
  for (const [i, [tag, value]] of entries.entries()) {
    out.writeUInt16LE(tag, 10 + i * 12)
    out.writeUInt16LE(4, 12 + i * 12)
    out.writeUInt32LE(1, 14 + i * 12)
    out.writeUInt32LE(value, 18 + i * 12)
  }
  out.writeUInt32LE(next, out.length - 4)
  return out
}

/** Rewrites the size in a VP8L header: 14 bits each, less one. */
function webpOfSize(bytes: Buffer, side: number): Buffer {
  const at = bytes.indexOf('VP8L', 0, 'latin1') + 9
  const out = Buffer.from(bytes)
  const old = out.readUInt32LE(at)
  out.writeUInt32LE(((old & 0xf0000000) | ((side - 1) << 14) | (side - 1)) >>> 0, at)
  return out
}

/** Frames of one colour; the compressed data holds a single pixel whatever the size. */
function gifOfFrames(count: number, side = 1): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt16LE(side)
  size.writeUInt16LE(side, 2)
  const head = Buffer.concat([Buffer.from('GIF89a'), size, Buffer.from('800000000000ffffff', 'hex')])
  const frame = Buffer.concat([
    Buffer.from('21f9040001000000' + '2c00000000', 'hex'),
    size,
    Buffer.from('000202440100', 'hex'),
  ])
  return Buffer.concat([head, ...Array.from({ length: count }, () => frame), Buffer.from(';')])
}

function gifWithComment(bytes: Buffer, text: string): Buffer {
  const table = ((bytes[10] ?? 0) & 0x80) === 0 ? 0 : 3 * 2 ** (((bytes[10] ?? 0) & 7) + 1)
  const at = 13 + table
  const comment = Buffer.concat([Buffer.from([0x21, 0xfe, text.length]), Buffer.from(text), Buffer.from([0])])
  return Buffer.concat([bytes.subarray(0, at), comment, bytes.subarray(at)])
}

function segment(marker: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data])
}

function jpegWithSegment(bytes: Buffer, marker: number, data: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, 2), segment(marker, data), bytes.subarray(2)])
}

/** Offset of the start-of-frame segment (marker 0xC0 to 0xC2). */
function sofOf(bytes: Buffer): number {
  for (let at = 2; at + 4 < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes[at + 1] ?? 0
    if (marker >= 0xc0 && marker <= 0xc2) return at
  }
  throw new Error('no start of frame')
}

function patchSof(bytes: Buffer, width: number, height: number): Buffer {
  return patch(bytes, sofOf(bytes) + 5, [u16(height), u16(width)])
}

function patchByteInSof(bytes: Buffer, precision: number): Buffer {
  return patch(bytes, sofOf(bytes) + 4, [Buffer.from([precision])])
}

/** The last scan of a progressive JPEG again and again. */
function repeatLastScan(bytes: Buffer, times: number): Buffer {
  const scan = bytes.subarray(bytes.lastIndexOf(Buffer.from([0xff, 0xda])), bytes.length - 2)
  const short = scan.length > 4000 ? scan.subarray(0, 4000) : scan
  return Buffer.concat([bytes.subarray(0, -2), ...Array.from({ length: times }, () => short), bytes.subarray(-2)])
}

function absurdExif(): Buffer {
  const entry = Buffer.from('010f0002ffffffffffffffff', 'hex')
  return Buffer.concat([
    Buffer.from('Exif\0\0MM\0*\0\0\0\x08\xff\xff', 'latin1'),
    ...Array.from({ length: 2000 }, () => entry),
  ])
}

function loopingExif(): Buffer {
  const entry = Buffer.from('876900040000000100000008', 'hex')
  return Buffer.concat([Buffer.from('Exif\0\0MM\0*\0\0\0\x08\0\x01', 'latin1'), entry, u32(8)])
}

function nestedBoxes(depth: number): Buffer {
  const parts: Buffer[] = [box('ftyp', [Buffer.from('isom'), u32(512), Buffer.from('isom')])]
  for (let left = depth; left > 0; left--) parts.push(u32(left * 8), Buffer.from(left === depth ? 'moov' : 'trak'))
  return Buffer.concat(parts)
}

function patch(bytes: Buffer, at: number, parts: Buffer[]): Buffer {
  const out = Buffer.from(bytes)
  out.set(Buffer.concat(parts).subarray(0, out.length - at), at)
  return out
}

function patchAfter(bytes: Buffer, name: string, skip: number, parts: Buffer[]): Buffer {
  return patch(bytes, bytes.indexOf(name, 0, 'latin1') + 4 + skip, parts)
}

/** Numbers that look random and are always the same (mulberry32). */
function noise(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    out[i] = (t ^ (t >>> 14)) & 0xff
  }
  return out
}
