import { cleanTags, cleanText, defined, validPosition, type MetadataFacts, type Position } from './facts.js'
import { parseDateTime } from './wall-clock.js'
import type { Xmp } from './xmp.js'

/** Properties that say when a picture was taken, most trusted first. */
const DATES = [
  'exif:DateTimeOriginal',
  'photoshop:DateCreated',
  'exif:DateTimeDigitized',
  'xmp:CreateDate',
  'exifEX:DateTimeOriginal',
]

/** What an XMP packet says, embedded or beside the file. */
export function xmpFacts(xmp: Xmp): MetadataFacts {
  const readings = DATES.flatMap(name => {
    // A packet's date may come without its offset, which then stands in the EXIF property beside it.
    const reading = parseDateTime(xmp.text(name))
    return reading ? [reading] : []
  })
  const stars = Number(xmp.text('xmp:Rating') ?? NaN)
  const orientation = Number(xmp.text('tiff:Orientation') ?? NaN)
  return {
    readings,
    ...defined({
      modified: parseDateTime(xmp.text('xmp:ModifyDate')),
      gpsUtcMs: gpsTime(xmp.text('exif:GPSTimeStamp') ?? xmp.text('exif:GPSDateTime')),
      position: position(xmp),
      orientation: orientation >= 1 && orientation <= 8 ? orientation : undefined,
      make: cleanText(xmp.text('tiff:Make')),
      model: cleanText(xmp.text('tiff:Model')),
      lens: cleanText(xmp.text('aux:Lens') ?? xmp.text('exifEX:LensModel')),
      software: cleanText(xmp.text('xmp:CreatorTool')),
      userComment: cleanText(xmp.text('exif:UserComment')),
      title: cleanText(xmp.text('dc:title') ?? xmp.text('photoshop:Headline')),
      description: cleanText(xmp.text('dc:description')),
      tags: tags(xmp),
      stars: stars >= 0 && stars <= 5 ? Math.round(stars) : undefined,
    }),
  }
}

function tags(xmp: Xmp): string[] | undefined {
  const found = cleanTags(xmp.list('dc:subject'))
  return found.length > 0 ? found : undefined
}

/** XMP's GPSTimeStamp is a whole date and time; without an offset it counts in UTC all the same. */
function gpsTime(text: string | undefined): number | undefined {
  const reading = parseDateTime(text)
  if (!reading || (reading.precision !== 'second' && reading.precision !== 'exact')) return undefined
  return reading.asUtcMs - (reading.offsetMinutes ?? 0) * 60_000
}

function position(xmp: Xmp): Position | undefined {
  const latitude = degrees(xmp.text('exif:GPSLatitude'))
  const longitude = degrees(xmp.text('exif:GPSLongitude'))
  if (latitude === undefined || longitude === undefined) return undefined
  const altitude = ratio(xmp.text('exif:GPSAltitude'))
  const below = xmp.text('exif:GPSAltitudeRef') === '1'
  return validPosition(latitude, longitude, altitude === undefined ? undefined : below ? -altitude : altitude)
}

/** `39,6.9N`, `50,5.37522N`, `9,3,40.79N` or plain signed degrees. */
function degrees(text: string | undefined): number | undefined {
  const match = /^\s*([+-]?\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?(?:,(\d+(?:\.\d+)?))?\s*([NSEW])?\s*$/i.exec(text ?? '')
  if (!match) return undefined
  const value = Number(match[1]) + Number(match[2] ?? 0) / 60 + Number(match[3] ?? 0) / 3600
  return /[SW]/i.test(match[4] ?? '') ? -value : value
}

function ratio(text: string | undefined): number | undefined {
  const match = /^\s*(-?\d+(?:\.\d+)?)(?:\/(\d+))?\s*$/.exec(text ?? '')
  const value = match ? Number(match[1]) / Number(match[2] ?? 1) : NaN
  return Number.isFinite(value) ? value : undefined
}
