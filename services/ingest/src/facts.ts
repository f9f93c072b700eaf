import type { ClockReading } from './wall-clock.js'

/** A position on Earth. */
export interface Position {
  /** Degrees, -90 to 90. */
  readonly latitude: number
  /** Degrees, -180 to 180. */
  readonly longitude: number
  /** Metres above sea level. */
  readonly altitude?: number
}

/** What a file's metadata, or a sidecar's, says. Everything is optional: nothing is guessed here. */
export interface MetadataFacts {
  /** When it was taken, most trusted first. */
  readonly readings: readonly ClockReading[]
  /** The last edit. */
  readonly modified?: ClockReading
  /** Satellite time, epoch ms. */
  readonly gpsUtcMs?: number
  /** An instant in UTC from a sidecar, epoch ms. */
  readonly utcMs?: number
  readonly position?: Position
  /** EXIF orientation, 1 to 8. */
  readonly orientation?: number
  readonly make?: string
  readonly model?: string
  readonly lens?: string
  readonly iso?: number
  /** Seconds. */
  readonly exposureTime?: number
  readonly fNumber?: number
  /** Millimetres. */
  readonly focalLength?: number
  readonly software?: string
  readonly userComment?: string
  readonly title?: string
  readonly description?: string
  readonly tags?: readonly string[]
  /** 0 to 5. */
  readonly stars?: number
  readonly contentIdentifier?: string
  readonly burstId?: string
}

/** A valid position, rounded to 7 decimals (1 cm); undefined for impossible ones and for (0, 0), which means "none" in practice. */
export function validPosition(latitude: number, longitude: number, altitude?: number): Position | undefined {
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180)) return undefined
  if (Math.abs(latitude) < 1e-4 && Math.abs(longitude) < 1e-4) return undefined
  const round = (degrees: number) => Math.round(degrees * 1e7) / 1e7
  const sane = altitude !== undefined && Number.isFinite(altitude) && altitude > -12_000 && altitude < 100_000
  return {
    latitude: round(latitude),
    longitude: round(longitude),
    ...(sane && { altitude: Math.round(altitude * 10) / 10 }),
  }
}

const MAX_TEXT = 2_000
const MAX_TAGS = 100

/** A text as people may see it: control characters gone, trimmed, at most 2,000 characters; undefined when nothing is left. */
export function cleanText(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined

  const clean = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, '').trim()
  // Half a surrogate pair, from a careless file or from the cut, is no character: Postgres refuses it in JSON.
  return clean === '' ? undefined : clean.slice(0, MAX_TEXT).replace(/\p{Cs}/gu, '\ufffd')
}

/** Clean, distinct tags, at most 100. */
export function cleanTags(tags: readonly unknown[]): string[] {
  return [...new Set(tags.map(cleanText).filter(t => t !== undefined))].slice(0, MAX_TAGS)
}

/** Leaves out what is undefined, so that facts can be merged by spreading. */
export function defined<T extends object>(facts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(facts).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
