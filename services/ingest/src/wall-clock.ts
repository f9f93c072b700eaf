/** How fine a time is known. `exact` has sub-seconds. */
export type Precision = 'exact' | 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'

/** A date and time as a clock on the wall showed it, without any zone. */
export interface WallClock {
  /** Milliseconds of the wall clock read as if it were UTC. What a coarse precision leaves out stands at the middle of the day, on the first. */
  readonly asUtcMs: number
  readonly precision: Precision
}

/** One statement about when a picture was taken. */
export interface ClockReading extends WallClock {
  /** Minutes east of UTC where the same statement says so. */
  readonly offsetMinutes?: number
}

interface Parts {
  year: number
  month?: number | undefined
  day?: number | undefined
  hour?: number | undefined
  minute?: number | undefined
  second?: number | undefined
  /** Digits after the decimal point, as written. */
  fraction?: string | undefined
}

/**
 * Puts parts together; undefined when they are no date. Parts after the first missing one are ignored, 24:00 is the next day's
 * midnight, and a leap second counts as the second before it.
 */
export function wallClock(parts: Parts): WallClock | undefined {
  const { year, month, day, hour, minute, second, fraction } = parts
  if (!Number.isInteger(year) || year < 1 || year > 9999) return undefined
  if (month === undefined || month === 0) return at(year, 1, 1, 12, 0, 0, 0, 'year')
  if (month < 1 || month > 12) return undefined
  if (day === undefined || day === 0) return at(year, month, 1, 12, 0, 0, 0, 'month')
  if (day < 1 || day > daysIn(year, month)) return undefined
  if (hour === undefined) return at(year, month, day, 12, 0, 0, 0, 'day')
  if (hour < 0 || hour > 24 || (hour === 24 && ((minute ?? 0) !== 0 || (second ?? 0) !== 0))) return undefined
  if (minute === undefined) return at(year, month, day, hour, 0, 0, 0, 'hour')
  if (minute < 0 || minute > 59) return undefined
  if (second === undefined) return at(year, month, day, hour, minute, 0, 0, 'minute')
  if (second < 0 || second > 60) return undefined
  const digits = fraction?.replace(/\D/g, '') ?? ''
  const ms = digits === '' ? 0 : Math.floor(Number(`0.${digits.slice(0, 6)}`) * 1000)
  return at(year, month, day, hour, minute, Math.min(second, 59), ms, digits === '' ? 'second' : 'exact')
}

function at(
  y: number,
  mo: number,
  d: number,
  h: number,
  mi: number,
  s: number,
  ms: number,
  precision: Precision,
): WallClock {
  const date = new Date(0)
  date.setUTCFullYear(y, mo - 1, d) // Date.UTC would read years below 100 as 19xx
  date.setUTCHours(h, mi, s, ms)
  return { asUtcMs: date.getTime(), precision }
}

const daysIn = (year: number, month: number) => {
  const date = new Date(0)
  date.setUTCFullYear(year, month, 0)
  return date.getUTCDate()
}

const DATE_TIME =
  /^(\d{4})(?:[:\-/.](\d{1,2}|\s{1,2})(?:[:\-/.](\d{1,2}|\s{1,2})(?:[T ]\s*(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.,](\d+))?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?)?)?$/

/**
 * Reads a date as EXIF (`2019:03:21 11:04:22`), XMP (`2010-09-27T14:35:33+02:00`, any shortening of it) and IPTC write it.
 * Undefined for anything else, `0000:00:00 00:00:00` and blanks included.
 */
export function parseDateTime(text: string | undefined, subSeconds?: string): ClockReading | undefined {
  const match = DATE_TIME.exec(
    (text ?? '')
      .replaceAll('\0', '')
      .trim()
      .replace(/[:\-/ ]+$/, ''),
  )
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = match
  const number = (digits: string | undefined) =>
    digits === undefined || digits.trim() === '' ? undefined : Number(digits)
  const clock = wallClock({
    year: Number(year),
    month: number(month),
    day: number(day),
    hour: number(hour),
    minute: number(minute),
    second: number(second),
    fraction: fraction ?? subSeconds?.trim(),
  })
  if (!clock) return undefined
  const offsetMinutes = parseOffset(zone)
  return offsetMinutes === undefined ? clock : { ...clock, offsetMinutes }
}

/** Minutes east of UTC of `+01:00`, `+0100`, `-03`, `Z`; undefined when it is no offset that exists (-12:00 to +14:00). */
export function parseOffset(text: string | undefined): number | undefined {
  const trimmed = (text ?? '').replaceAll('\0', '').trim()
  if (trimmed === 'Z' || trimmed === 'UTC') return 0
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(trimmed)
  if (!match) return undefined
  const minutes = (Number(match[2]) * 60 + Number(match[3] ?? 0)) * (match[1] === '-' ? -1 : 1)
  return minutes >= -720 && minutes <= 840 && Number(match[3] ?? 0) < 60 ? minutes : undefined
}
