import type { Locale } from '../i18n/messages.tsx'

/** `2021-07` of a local RFC 3339 time: its first seven characters, whatever the reader's own time zone. */
export const monthOf = (takenAt: string | undefined): string => takenAt?.slice(0, 7) ?? ''

/** A month as people say it: "July 2021", "2021年7月". */
export function monthName(month: string, locale: Locale): string {
  const [year, index] = month.split('-').map(Number)
  if (!year || !index) return ''
  return new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', timeZone: 'UTC' }).format(
    Date.UTC(year, index - 1, 15),
  )
}

/** A capture time in the words of its own place, no finer than it is known. */
export function takenAtText(takenAt: string, precision: string | undefined, locale: Locale): string {
  // The wall clock at the place of capture, shown as it stood there.
  const wall = new Date(`${takenAt.slice(0, 19)}Z`)
  if (Number.isNaN(wall.getTime())) return ''
  const day: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'long', day: 'numeric', weekday: 'short' }
  const options: Intl.DateTimeFormatOptions =
    precision === 'year'
      ? { year: 'numeric' }
      : precision === 'month'
        ? { year: 'numeric', month: 'long' }
        : precision === 'day'
          ? day
          : { ...day, hour: 'numeric', minute: '2-digit' }
  return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }).format(wall)
}

/** Minutes and seconds: 75 -> 1:15. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/** Groups items, in the order they come, by the month they were taken in. */
export function byMonth<T extends { takenAt?: string }>(items: T[]): { month: string; items: T[] }[] {
  const groups: { month: string; items: T[] }[] = []
  for (const item of items) {
    const month = monthOf(item.takenAt)
    const last = groups.at(-1)
    if (last && last.month === month) last.items.push(item)
    else groups.push({ month, items: [item] })
  }
  return groups
}
