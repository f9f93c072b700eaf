/** How fine a capture time is known; the same words as ingest's. */
export type Precision = 'exact' | 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'

/** A wall clock without a zone, as milliseconds read as if they were UTC. */
export interface LocalTime {
  readonly asUtcMs: number
  readonly precision: Precision
}

const shape = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?)?$/

/**
 * Reads yyyy, yyyy-mm, yyyy-mm-dd, yyyy-mm-ddThh, …Thh:mm or …Thh:mm:ss; undefined when it is no date. As in ingest, what a coarse time
 * leaves out stands at noon, on the first.
 */
export function parseLocal(text: string): LocalTime | undefined {
  const match = shape.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match
    .slice(1)
    .map(part => (part === undefined ? undefined : Number(part)))
  if (year === undefined || year < 1826) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, (month ?? 1) - 1, day ?? 1)
  date.setUTCHours(hour ?? 12, minute ?? 0, second ?? 0, 0)
  const kept =
    date.getUTCMonth() === (month ?? 1) - 1 &&
    date.getUTCDate() === (day ?? 1) &&
    date.getUTCHours() === (hour ?? 12) &&
    date.getUTCMinutes() === (minute ?? 0) &&
    date.getUTCSeconds() === (second ?? 0)
  if (!kept) return undefined
  const precisions: Precision[] = ['year', 'month', 'day', 'hour', 'minute', 'second']
  const known = [month, day, hour, minute, second].filter(part => part !== undefined).length
  return { asUtcMs: date.getTime(), precision: precisions[known] ?? 'second' }
}

const fixed = /^([+-])(\d\d):(\d\d)$/

/** Minutes east of UTC of a zone (IANA name or ±hh:mm) at an instant; undefined when there is no such zone. */
export function offsetAt(zone: string, ms: number): number | undefined {
  const offset = fixed.exec(zone)
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3])
    if (minutes > 14 * 60 || Number(offset[3]) > 59) return undefined
    return offset[1] === '-' ? -minutes : minutes
  }
  if (zone === '' || /^[+-]/.test(zone)) return undefined
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(ms)
    const name = parts.find(part => part.type === 'timeZoneName')?.value ?? 'GMT'
    const found = /^GMT(?:([+-])(\d\d):(\d\d)(?::\d\d)?)?$/.exec(name)
    if (found === null) return undefined
    const minutes = Number(found[2] ?? 0) * 60 + Number(found[3] ?? 0)
    return found[1] === '-' ? -minutes : minutes
  } catch {
    return undefined // Intl throws a RangeError for a name it does not know
  }
}

/** The instant at which a wall clock in `zone` shows `asUtcMs`; in the hour that a clock change repeats, the earlier one. */
export function instantOf(asUtcMs: number, zone: string): { ms: number; offsetMinutes: number } {
  // Two guesses settle it: the offset at about that time, then the offset at the instant that guess gives.
  const first = offsetAt(zone, asUtcMs) ?? 0
  const second = offsetAt(zone, asUtcMs - first * 60_000) ?? first
  return { ms: asUtcMs - second * 60_000, offsetMinutes: second }
}

/** yyyy-mm-dd of a wall clock. */
export const dayOf = (asUtcMs: number): string => new Date(asUtcMs).toISOString().slice(0, 10)

/** yyyy-mm of a wall clock. */
export const monthOf = (asUtcMs: number): string => dayOf(asUtcMs).slice(0, 7)

/** Whole months between a birth date and a day, both yyyy-mm-dd; undefined before birth. Born on the 31st, a month is full on the month's last day. */
export function ageMonths(birthDate: string, day: string): number | undefined {
  if (day < birthDate) return undefined
  const [by = 0, bm = 0, bd = 0] = birthDate.split('-').map(Number)
  const [y = 0, m = 0, d = 0] = day.split('-').map(Number)
  const lastOfMonth = new Date(Date.UTC(y, m, 0)).getUTCDate()
  const full = d >= Math.min(bd, lastOfMonth)
  return (y - by) * 12 + (m - bm) - (full ? 0 : 1)
}
