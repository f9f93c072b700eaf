import type { FileNameTime } from './file-name-time.js'
import { offsetAt, offsetForWall, zoneAt } from './time-zones.js'
import type { ClockReading, Precision } from './wall-clock.js'

/** Where the time came from. */
export type CaptureSource = 'exif' | 'sidecar' | 'video' | 'gps' | 'file-name' | 'file-date'
/** Where the offset from UTC came from. */
export type OffsetSource = 'exif' | 'gps' | 'position' | 'family' | 'utc'

/** Everything that speaks about when an item was taken; each list in the order of trust. */
export interface CaptureEvidence {
  /** From a sidecar: what a person or a program wrote about the file, so it wins over the file. */
  readonly sidecar?: readonly ClockReading[]
  /** From EXIF, embedded XMP, IPTC and PNG text: the moment of the picture, not that of a later edit. */
  readonly embedded?: readonly ClockReading[]
  /** A video's own statement in local time with its offset (com.apple.quicktime.creationdate). */
  readonly video?: readonly ClockReading[]
  /** The instant in a sidecar that counts in UTC (Google Takeout's photoTakenTime). */
  readonly sidecarUtcMs?: number
  /** A video container's creation time, which is UTC by the specification. */
  readonly containerUtcMs?: number
  /** A video's length in ms: cameras that write the start into the name and the end into the container. */
  readonly durationMs?: number
  /** The satellites' time: UTC to the second, of the last fix. */
  readonly gpsUtcMs?: number
  readonly position?: { readonly latitude: number; readonly longitude: number }
  readonly fileName?: FileNameTime | undefined
  /** EXIF's ModifyDate: the last edit, better than a file's date and worse than its name. */
  readonly modified?: ClockReading
  /** The file's own date as the client stated it, epoch ms. */
  readonly fileDateMs?: number
}

/** When an item was taken. */
export interface CaptureTime {
  /** The instant. */
  readonly at: Date
  /** Minutes east of UTC there and then; the wall clock is `at` plus this. */
  readonly offsetMinutes: number
  readonly precision: Precision
  readonly source: CaptureSource
  readonly offsetSource: OffsetSource
  /** IANA zone of the position, or the family's where the offset was guessed from it. */
  readonly timeZone?: string
}

/** Nothing was photographed earlier: Niépce, 1826. */
const FIRST_PHOTOGRAPH = Date.UTC(1826, 0, 1)
/** A camera in the easternmost zone is 14 hours ahead of UTC; a day allows for clocks that are a little fast. */
const FUTURE_MS = 86_400_000
const MINUTE_MS = 60_000
/** What clocks show that were never set: UNIX, QuickTime and FAT zero. */
const EPOCHS = [0, Date.UTC(1904, 0, 1), Date.UTC(1980, 0, 1)]
/** A satellite fix this much off a whole quarter of an hour is stale, seconds; phones are within a few. */
const STALE_FIX_MS = 90_000

/**
 * Decides when an item was taken: sidecar, EXIF (and its kin), video metadata, satellite time, file name, last edit, file date.
 * A statement that cannot be true (before photography, in the future, a clock's zero) falls through to the next.
 * The offset is the statement's own, else what satellite time implies, else the zone of the position, else the family's zone.
 * @param familyTimeZone IANA name, the last guess for an offset
 * @param nowMs epoch ms; what lies more than a day ahead is no capture time
 */
export function captureTime(evidence: CaptureEvidence, familyTimeZone: string, nowMs: number): CaptureTime {
  const zone = evidence.position && zoneAt(evidence.position.latitude, evidence.position.longitude)
  const where: Where = { zone, familyTimeZone, gpsUtcMs: evidence.gpsUtcMs }
  const possible = (reading: ClockReading | undefined) => reading !== undefined && isPossible(reading, nowMs)

  const readings = [...(evidence.sidecar ?? []), ...(evidence.embedded ?? []), ...(evidence.video ?? [])]

  const fromSidecar = evidence.sidecar?.find(possible)
  if (fromSidecar && copiesContainer(fromSidecar, evidence.containerUtcMs)) {
    return fromInstant(fromSidecar.asUtcMs, fromSidecar.precision, 'sidecar', where)
  }
  if (fromSidecar) return fromWall(withSiblingsOffset(fromSidecar, readings), 'sidecar', where)

  const embedded = evidence.embedded?.find(possible)
  if (embedded) return fromWall(withSiblingsOffset(embedded, readings), 'exif', where)

  const video = evidence.video?.find(possible)
  if (video) return fromWall(video, 'video', where)

  if (isInstant(evidence.sidecarUtcMs, nowMs)) return fromInstant(evidence.sidecarUtcMs, 'second', 'sidecar', where)
  if (isInstant(evidence.containerUtcMs, nowMs)) return fromContainer(evidence.containerUtcMs, evidence, where)
  if (isInstant(evidence.gpsUtcMs, nowMs)) return fromInstant(evidence.gpsUtcMs, 'second', 'gps', where)

  const name = evidence.fileName
  if (name && possible(name)) {
    if (name.utc) return fromInstant(name.asUtcMs, name.precision, 'file-name', where)
    return fromWall(name, 'file-name', where)
  }
  if (possible(evidence.modified)) return fromWall(evidence.modified as ClockReading, 'exif', where)

  const fileDate = isInstant(evidence.fileDateMs, nowMs) ? evidence.fileDateMs : nowMs
  return fromInstant(fileDate, 'second', 'file-date', where)
}

/** Programs write the same clock several times, here with its offset and there without. An offset of zero is mostly filler: it is not lent. */
function withSiblingsOffset(reading: ClockReading, readings: readonly ClockReading[]): ClockReading {
  if (reading.offsetMinutes !== undefined) return reading
  const second = (r: ClockReading) => Math.floor(r.asUtcMs / 1000)
  const sibling = readings.find(r => (r.offsetMinutes ?? 0) !== 0 && second(r) === second(reading))
  return sibling?.offsetMinutes === undefined ? reading : { ...reading, offsetMinutes: sibling.offsetMinutes }
}

/** digiKam copies a video's UTC time into its sidecar as if it were local. */
const copiesContainer = (reading: ClockReading, containerUtcMs: number | undefined): boolean =>
  reading.offsetMinutes === undefined &&
  containerUtcMs !== undefined &&
  Math.abs(reading.asUtcMs - containerUtcMs) < 2_000

interface Where {
  readonly zone: string | undefined
  readonly familyTimeZone: string
  readonly gpsUtcMs: number | undefined
}

function fromWall(reading: ClockReading, source: CaptureSource, where: Where): CaptureTime {
  const { asUtcMs, precision } = reading
  const make = (offsetMinutes: number, offsetSource: OffsetSource, timeZone?: string): CaptureTime => ({
    at: new Date(asUtcMs - offsetMinutes * MINUTE_MS),
    offsetMinutes,
    precision,
    source,
    offsetSource,
    ...(timeZone !== undefined && { timeZone }),
  })
  if (reading.offsetMinutes !== undefined) return make(reading.offsetMinutes, 'exif', where.zone)
  const fine = precision === 'exact' || precision === 'second' || precision === 'minute'
  const implied = fine ? impliedOffset(asUtcMs, where.gpsUtcMs) : undefined
  if (implied !== undefined) return make(implied, 'gps', where.zone)
  if (where.zone !== undefined) return make(offsetForWall(where.zone, asUtcMs, where.gpsUtcMs), 'position', where.zone)
  return make(offsetForWall(where.familyTimeZone, asUtcMs), 'family', where.familyTimeZone)
}

function fromInstant(ms: number, precision: Precision, source: CaptureSource, where: Where): CaptureTime {
  const zone = where.zone ?? where.familyTimeZone
  return {
    at: new Date(ms),
    offsetMinutes: offsetAt(zone, ms),
    precision: precision === 'second' && ms % 1000 !== 0 && source !== 'file-date' ? 'exact' : precision,
    source,
    offsetSource: where.zone === undefined ? 'family' : 'position',
    timeZone: zone,
  }
}

/** Some cameras write their wall clock where the container wants UTC; their file name, which is local for sure, gives them away. */
function fromContainer(utcMs: number, evidence: CaptureEvidence, where: Where): CaptureTime {
  const name = evidence.fileName
  const slackMs = (evidence.durationMs ?? 0) + 5_000
  const wroteWallClock =
    name !== undefined &&
    !name.utc &&
    (name.precision === 'second' || name.precision === 'exact') &&
    Math.abs(utcMs - name.asUtcMs) <= slackMs
  return wroteWallClock
    ? fromWall({ asUtcMs: utcMs, precision: 'second' }, 'video', where)
    : fromInstant(utcMs, 'second', 'video', where)
}

/** Offsets that are in use anywhere: whole and half hours, Nepal, Eucla and the Chathams. */
const QUARTER_OFFSETS = new Set([345, 525, 765, 825])

/** The offset that makes a wall clock agree with satellite time; undefined when none in use does, for example after a stale fix. */
function impliedOffset(asUtcMs: number, gpsUtcMs: number | undefined): number | undefined {
  if (gpsUtcMs === undefined) return undefined
  const minutes = Math.round((asUtcMs - gpsUtcMs) / (15 * MINUTE_MS)) * 15
  if (minutes < -720 || minutes > 840 || (minutes % 30 !== 0 && !QUARTER_OFFSETS.has(minutes))) return undefined
  return Math.abs(asUtcMs - gpsUtcMs - minutes * MINUTE_MS) <= STALE_FIX_MS ? minutes : undefined
}

function isPossible(reading: ClockReading, nowMs: number): boolean {
  const instant = reading.asUtcMs - (reading.offsetMinutes ?? 0) * MINUTE_MS
  return isInstant(instant, nowMs) && !EPOCHS.includes(reading.asUtcMs)
}

const isInstant = (ms: number | undefined, nowMs: number): ms is number =>
  ms !== undefined &&
  Number.isFinite(ms) &&
  ms >= FIRST_PHOTOGRAPH &&
  ms <= nowMs + FUTURE_MS &&
  !EPOCHS.some(zero => Math.abs(ms - zero) <= 14 * 60 * MINUTE_MS && (ms - zero) % (15 * MINUTE_MS) === 0)

/** Whether a time is good enough to put items beside each other: what only its file dates forms no moment and no burst. */
export const isDated = (time: Pick<CaptureTime, 'source' | 'precision'>): boolean =>
  time.source !== 'file-date' &&
  (time.precision === 'exact' || time.precision === 'second' || time.precision === 'minute')
