import { dayOf, instantOf, monthOf, offsetAt, parseLocal, type Precision } from './local-time.js'

/** Where an item was taken; names may be empty, coordinates absent. */
export interface Place {
  readonly latitude?: number | undefined
  readonly longitude?: number | undefined
  readonly city: string
  readonly region: string
  readonly country: string
  readonly countryCode: string
}

/** What ingest says of an item and a person may correct; kept as JSON beside the row. */
export interface IngestedFacts {
  /** Epoch ms of the capture. */
  readonly takenAtMs: number
  readonly offsetMinutes: number
  readonly precision: string
  readonly source: string
  readonly timeZone?: string | undefined
  readonly place?: Place | undefined
  readonly description: string
  readonly tags: readonly string[]
  readonly stars?: number | undefined
  /** Where the uploaded bytes lie: the still of a live photo that came after its clip is not where others are. */
  readonly originalKey?: string | undefined
  /** Where the uploaded clip of a live photo lies. */
  readonly clipKey?: string | undefined
}

/** What people said against that. A field that is not there was not corrected. */
export interface Corrections {
  /** Wall clock, yyyy-mm-ddThh:mm:ss or shorter. */
  readonly takenAt?: string
  /** IANA name or ±hh:mm. */
  readonly timeZone?: string
  readonly place?: Place
  readonly description?: string
  /** Clockwise: 0, 90, 180, 270. */
  readonly rotation?: number
}

/** The fields that can be corrected, in the API's words. */
export const correctable = ['takenAt', 'timeZone', 'place', 'description', 'rotation'] as const

/** One of them. */
export type Correctable = (typeof correctable)[number]

/** What people see. */
export interface Facts {
  readonly takenAt: Date
  readonly offsetMinutes: number
  readonly precision: Precision | string
  readonly source: string
  readonly timeZone: string
  /** yyyy-mm-dd and yyyy-mm, local. */
  readonly localDay: string
  readonly month: string
  readonly place: Place
  readonly description: string
  readonly rotation: number
}

// These sources know the instant; the others know what a clock on the wall showed.
const knowsInstant = new Set(['video', 'gps', 'file-date'])
const nowhere: Place = { city: '', region: '', country: '', countryCode: '' }

/**
 * Lays corrections over the facts from ingest. A corrected zone keeps the wall clock of a camera that did not know where it was, and the
 * instant of a source that counts in UTC.
 */
export function factsOf(ingested: IngestedFacts, corrections: Corrections): Facts {
  const time = takenOf(ingested, corrections)
  const asUtcMs = time.ms + time.offsetMinutes * 60_000
  return {
    takenAt: new Date(time.ms),
    offsetMinutes: time.offsetMinutes,
    precision: time.precision,
    source: corrections.takenAt === undefined && corrections.timeZone === undefined ? ingested.source : 'person',
    timeZone: time.zone,
    localDay: dayOf(asUtcMs),
    month: monthOf(asUtcMs),
    place: corrections.place ?? ingested.place ?? nowhere,
    description: corrections.description ?? '',
    rotation: corrections.rotation ?? 0,
  }
}

function takenOf(ingested: IngestedFacts, corrections: Corrections) {
  const zone = corrections.timeZone ?? ingested.timeZone ?? offsetName(ingested.offsetMinutes)
  const said = corrections.takenAt === undefined ? undefined : parseLocal(corrections.takenAt)
  if (said !== undefined) return { ...instantOf(said.asUtcMs, zone), precision: said.precision, zone }
  const { takenAtMs, offsetMinutes, precision } = ingested
  if (corrections.timeZone === undefined) return { ms: takenAtMs, offsetMinutes, precision, zone }
  if (knowsInstant.has(ingested.source))
    return { ms: takenAtMs, offsetMinutes: offsetAt(zone, takenAtMs) ?? offsetMinutes, precision, zone }
  return { ...instantOf(takenAtMs + offsetMinutes * 60_000, zone), precision, zone }
}

/** +09:00 */
export function offsetName(minutes: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`
}

/** The correction that moves an item's clock by `seconds`, as precise as the time was. */
export function shifted(facts: Facts, seconds: number): string {
  const local = new Date(facts.takenAt.getTime() + facts.offsetMinutes * 60_000 + seconds * 1000).toISOString()
  const length: Record<string, number> = { year: 4, month: 7, day: 10, hour: 13, minute: 16 }
  // A day that is shifted by hours would not move: such a time is taken at its noon, to the minute.
  const kept =
    seconds % 86_400 === 0
      ? length[facts.precision]
      : facts.precision === 'minute' && seconds % 60 === 0
        ? 16
        : undefined
  return local.slice(0, kept ?? 19)
}
