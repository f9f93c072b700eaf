import { open } from 'node:fs/promises'
import exifReader from 'exifreader'
import { readAppleMakerNote } from './apple-maker-note.js'
import { earlyReadings, reconyxReading } from './early-cameras.js'
import { cleanTags, cleanText, defined, validPosition, type MetadataFacts, type Position } from './facts.js'
import { parseDateTime, parseOffset, wallClock, type ClockReading } from './wall-clock.js'
import { parseXmp } from './xmp.js'
import { xmpFacts } from './xmp-facts.js'

/** As much of a file is looked at for metadata. Cameras put it first; a TIFF above this may lose it. */
const MAX_METADATA_BYTES = 48 * 1024 * 1024

/** Reads the metadata of an image file. */
export async function readImageMetadataFile(path: string): Promise<MetadataFacts> {
  const file = await open(path, 'r')
  try {
    return await imageMetadataOf(async most => {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(most, (await file.stat()).size)), {
        position: 0,
      })
      return buffer.subarray(0, bytesRead)
    })
  } finally {
    await file.close()
  }
}

/** How much of a file is asked for first, bytes: in nearly every JPEG all that comes before the picture. */
export const HEAD_BYTES = 128 * 1024

/**
 * Reads the metadata of an image (JPEG, PNG, WebP, HEIC, AVIF, JXL, TIFF, GIF), at most its first 48 MiB. `read` gives so many bytes from the
 * start of the file, fewer where it ends. Of a JPEG no more is read than comes before the picture: photos are large, and there are many.
 */
export async function imageMetadataOf(read: (bytes: number) => Promise<Buffer>): Promise<MetadataFacts> {
  const head = await read(HEAD_BYTES)
  const whole = head.length < HEAD_BYTES || pictureBegins(head)
  return readImageMetadata(whole ? head : await read(MAX_METADATA_BYTES))
}

/** Whether all segments of a JPEG up to its picture (start of scan, ITU-T T.81 B.1.1) lie within these bytes. */
function pictureBegins(jpeg: Buffer): boolean {
  if (jpeg.length < 4 || jpeg.readUInt16BE(0) !== 0xffd8) return false
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff;) {
    if (jpeg[at + 1] === 0xda) return true
    const length = jpeg.readUInt16BE(at + 2)
    if (length < 2) return false
    at += 2 + length
  }
  return false
}

/** Reads the metadata in an image's bytes. Broken metadata never throws: it says less, in the worst case nothing. */
export function readImageMetadata(bytes: Buffer): MetadataFacts {
  let tags: Groups
  try {
    tags = exifReader.load(bytes, {
      expanded: true,
      excludeTags: { icc: true, thumbnail: true, mpf: true, makerNotes: true, photoshop: true },
    }) as unknown as Groups
  } catch {
    return { readings: [] } // no container that is known, or no metadata in it: decoding will say what is wrong
  }
  const exif = tags['exif'] ?? {}
  const packet = tags['xmp']?.['_raw']
  const xmp = typeof packet === 'string' ? parseXmp(packet) : undefined
  const fromXmp = xmp ? xmpFacts(xmp) : undefined
  const ownModified = exifReading(exif, 'DateTime', 'SubSecTime', ['OffsetTime'])
  const readings = [
    exifReading(exif, 'DateTimeOriginal', 'SubSecTimeOriginal', ['OffsetTimeOriginal', 'OffsetTime']),
    exifReading(exif, 'DateTimeDigitized', 'SubSecTimeDigitized', ['OffsetTimeDigitized', 'OffsetTime']),
    ...(fromXmp?.readings ?? []),
    ...iptcReadings(tags['iptc'] ?? {}),
    ...pngReadings({ ...tags['png'], ...tags['pngText'] }),
    reconyxReading(makerNoteBytes(exif)),
    ...earlyReadings(bytes),
  ].filter(r => r !== undefined)
  const fromExif = defined({
    modified: ownModified,
    gpsUtcMs: gpsTime(exif),
    position: exifPosition(exif),
    orientation: orientation(exif),
    make: textOf(exif, 'Make'),
    model: textOf(exif, 'Model'),
    lens: textOf(exif, 'LensModel'),
    iso: positive(numberOf(exif, 'ISOSpeedRatings')),
    exposureTime: positive(rationalOf(exif, 'ExposureTime')),
    fNumber: positive(rationalOf(exif, 'FNumber')),
    focalLength: positive(rationalOf(exif, 'FocalLength')),
    software: textOf(exif, 'Software'),
    userComment: described(exif, 'UserComment'),
    ...readAppleMakerNote(makerNoteBytes(exif)),
  })
  const iptcTags = asList(tags['iptc']?.['Keywords'])
  const keywords = cleanTags([...(fromXmp?.tags ?? []), ...iptcTags])
  return {
    ...fromXmp,
    ...fromExif,
    readings,
    // A description written on purpose (XMP) is worth more than the one cameras fill with their brand.
    ...defined({ description: fromXmp?.description ?? meaningful(textOf(exif, 'ImageDescription')) }),
    ...(keywords.length > 0 && { tags: keywords }),
  }
}

type Groups = Partial<Record<string, Tags>>
type Tags = Partial<Record<string, unknown>>

const valueOf = (tags: Tags, name: string): unknown => (tags[name] as { value?: unknown } | undefined)?.value

function described(tags: Tags, name: string): string | undefined {
  const text = cleanText((tags[name] as { description?: unknown } | undefined)?.description)
  return text?.startsWith('[') && text.endsWith(']') ? undefined : text // '[Unicode encoded text]' and the like
}

/** ASCII tags come as a list of one string. Cameras pad them with blanks and NULs; UTF-8 in them is common. */
function textOf(tags: Tags, name: string): string | undefined {
  const value = valueOf(tags, name)
  const text = Array.isArray(value) ? value[0] : value
  return typeof text === 'string' ? cleanText(utf8(text)) : undefined
}

function utf8(text: string): string {
  if (!/^[\x00-\xff]*$/.test(text) || !/[\x80-\xff]/.test(text)) return text
  const decoded = Buffer.from(text, 'latin1').toString('utf8')
  return decoded.includes('\ufffd') ? text : decoded
}

function numberOf(tags: Tags, name: string): number | undefined {
  const value = valueOf(tags, name)
  const first: unknown = Array.isArray(value) ? value[0] : value
  return typeof first === 'number' && Number.isFinite(first) ? first : undefined
}

function rational(value: unknown): number | undefined {
  if (!Array.isArray(value) || value.length < 2) return undefined
  const [numerator, denominator] = value as unknown[]
  if (typeof numerator !== 'number' || typeof denominator !== 'number' || denominator === 0) return undefined
  return numerator / denominator
}

const rationalOf = (tags: Tags, name: string) => rational(valueOf(tags, name))
const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : undefined)

function orientation(exif: Tags): number | undefined {
  const value = numberOf(exif, 'Orientation')
  return value !== undefined && Number.isInteger(value) && value >= 1 && value <= 8 ? value : undefined
}

function exifReading(exif: Tags, date: string, subSeconds: string, offsets: string[]): ClockReading | undefined {
  const reading = parseDateTime(textOf(exif, date), textOf(exif, subSeconds))
  if (!reading || reading.offsetMinutes !== undefined) return reading
  const offset = offsets.map(name => parseOffset(textOf(exif, name))).find(o => o !== undefined)
  return offset === undefined ? reading : { ...reading, offsetMinutes: offset }
}

function exifPosition(exif: Tags): Position | undefined {
  const latitude = degrees(exif, 'GPSLatitude', 'GPSLatitudeRef', 'S')
  const longitude = degrees(exif, 'GPSLongitude', 'GPSLongitudeRef', 'W')
  if (latitude === undefined || longitude === undefined) return undefined
  const height = rationalOf(exif, 'GPSAltitude')
  const below = numberOf(exif, 'GPSAltitudeRef') === 1
  return validPosition(latitude, longitude, height === undefined ? undefined : below ? -height : height)
}

/** Degrees, minutes and seconds as three fractions. Without a hemisphere a position is half a guess: it is left out. */
function degrees(exif: Tags, name: string, refName: string, negative: string): number | undefined {
  const value = valueOf(exif, name)
  const ref = textOf(exif, refName)?.toUpperCase()
  if (!Array.isArray(value) || value.length < 1 || !ref || !/^[NSEW]/.test(ref)) return undefined
  const [d, m, s] = value.map(rational)
  if (d === undefined) return undefined
  const total = d + (m ?? 0) / 60 + (s ?? 0) / 3600
  return ref.startsWith(negative) ? -total : total
}

function gpsTime(exif: Tags): number | undefined {
  const date = /^(\d{4})[:\-/](\d{1,2})[:\-/](\d{1,2})/.exec(textOf(exif, 'GPSDateStamp') ?? '')
  const time = valueOf(exif, 'GPSTimeStamp')
  if (!date || !Array.isArray(time)) return undefined
  const [hour, minute, second] = time.map(rational)
  if (hour === undefined || minute === undefined) return undefined
  const clock = wallClock({
    year: Number(date[1]),
    month: Number(date[2]),
    day: Number(date[3]),
    hour: Math.floor(hour),
    minute: Math.floor(minute),
    second: Math.floor(second ?? 0),
    fraction: ((second ?? 0) % 1).toFixed(3).slice(2),
  })
  return clock?.asUtcMs
}

function makerNoteBytes(exif: Tags): Uint8Array {
  const value = valueOf(exif, 'MakerNote')
  return Array.isArray(value) ? Uint8Array.from(value as number[]) : new Uint8Array()
}

/** IPTC keeps the date and the time apart, the time with its offset. A time alone dates nothing. */
function iptcReadings(iptc: Tags): (ClockReading | undefined)[] {
  return [
    ['Date Created', 'Time Created'],
    ['Digital Creation Date', 'Digital Creation Time'],
  ].map(([dateName, timeName]) => {
    const date = described(iptc, dateName as string)
    if (!date) return undefined
    const time = described(iptc, timeName as string)
    return parseDateTime(time ? `${date} ${time}` : date) ?? parseDateTime(date)
  })
}

function pngReadings(png: Tags): (ClockReading | undefined)[] {
  return ['Creation Time', 'create-date', 'date:create'].map(name => {
    const text = described(png, name)
    // PNG recommends RFC 1123: "Fri, 14 Dec 2018 00:42:19 GMT".
    const rfc = text && /^(?:[A-Za-z]{3},\s)?\d{1,2}\s[A-Za-z]{3}\s\d{4}\s/.test(text) ? Date.parse(text) : NaN
    return Number.isNaN(rfc) ? parseDateTime(text) : { asUtcMs: rfc, precision: 'second' as const, offsetMinutes: 0 }
  })
}

function asList(tag: unknown): string[] {
  const one = (t: unknown) => String((t as { description?: unknown }).description ?? '')
  return tag === undefined ? [] : Array.isArray(tag) ? tag.map(one) : [one(tag)]
}

/** Cameras write their brand or a stock phrase into the description; nobody wrote those. */
const STOCK =
  /^(?:olympus digital camera|sony dsc|digital camera|minolta|konica|kodak|samsung|default|dcim|exif_jpeg_picture|untitled)\b/i
const meaningful = (text: string | undefined) => (text !== undefined && STOCK.test(text) ? undefined : text)
