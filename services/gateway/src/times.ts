import { z } from 'zod'

/** An instant, RFC 3339. */
export const instant = z.iso.datetime({ offset: true })

/** A day, yyyy-mm-dd. */
export const day = z.iso.date()

const pad = (value: number, width = 2) => String(value).padStart(width, '0')

/** Local wall-clock time with its offset: 2024-05-17T10:00:00+09:00. */
export function localTime(at: Date, offsetMinutes: number): string {
  const local = new Date(at.getTime() + offsetMinutes * 60_000).toISOString()
  const milliseconds = at.getUTCMilliseconds() === 0 ? '' : local.slice(19, 23)
  const size = Math.abs(offsetMinutes)
  const offset = `${offsetMinutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`
  return local.slice(0, 19) + milliseconds + (offsetMinutes === 0 ? 'Z' : offset)
}

/** A wall-clock time as people correct it: at least a year, with or without an offset. */
export const wallClock = z
  .string()
  .regex(
    /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/,
    'is no time such as 2024-05-17T10:00:00',
  )

/** The parts of a corrected time: the wall clock, and the zone where an offset was given. */
export function splitWallClock(value: string): { wallClock: string; zone: string | undefined } {
  const match = /^(.{16,}?)(Z|[+-]\d{2}:\d{2})$/.exec(value)
  const clock = (match?.[1] ?? value).replace(/\.\d+$/, '')
  const zone = match?.[2] === 'Z' ? '+00:00' : match?.[2]
  return { wallClock: /T\d{2}:\d{2}$/.test(clock) ? `${clock}:00` : clock, zone }
}

/** A moment of a period: a day (in the family's time zone, both ends included) or an instant. */
export const dayOrInstant = z.union([day, instant])

/** The first or the last moment that a period's end means. */
export function momentOf(value: string, end: 'from' | 'to', timeZone: string): Date {
  if (value.length > 10) return new Date(value)
  const midnight = startOfDay(value, timeZone)
  if (end === 'from') return midnight
  const next = new Date(Date.parse(`${value}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10)
  return new Date(startOfDay(next, timeZone).getTime() - 1)
}

/** When a day begins in a time zone. */
function startOfDay(date: string, timeZone: string): Date {
  const utc = Date.parse(`${date}T00:00:00Z`)
  // Twice, because the first guess may lie on the other side of a change to summer time.
  let guess = utc
  for (let i = 0; i < 2; i++) guess = utc - offsetMs(new Date(guess), timeZone)
  return new Date(guess)
}

function offsetMs(at: Date, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(at)
  const get = (type: string) => Number(parts.find(part => part.type === type)?.value)
  const local = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'))
  return local - Math.floor(at.getTime() / 1000) * 1000
}
