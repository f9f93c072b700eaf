/** The words that a film shows, in English and Japanese. Written out by hand: a film must not change with the ICU of the machine. */

/** Languages a film can speak. */
export type FilmLocale = 'en' | 'ja'

/** A calendar day, as the family counts it. */
export interface Day {
  year: number
  month: number
  day: number
}

/** How much of a date is known; nothing finer is ever shown. */
export type DatePrecision = 'time' | 'day' | 'month' | 'year' | 'unknown'

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

const monthName = (month: number): string => MONTHS[month - 1] ?? ''

/** `ja` for Japanese locales, else English. */
export function filmLocale(tag: string): FilmLocale {
  return tag.toLowerCase().startsWith('ja') ? 'ja' : 'en'
}

/** The first ten characters of an ISO date or time as a day; throws RangeError on anything else. */
export function dayOf(iso: string): Day {
  const match = /^(\d{4})-(\d{2})-(\d{2})/.exec(iso)
  if (!match) throw new RangeError(`not an ISO date: ${iso}`)
  return { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
}

/** Date stamp of an item, as fine as it is known: `Aug 11, 2026`, `2026年8月11日`; empty when unknown. */
export function stampText(day: Day, precision: DatePrecision, locale: FilmLocale): string {
  if (precision === 'unknown') return ''
  if (precision === 'year') return locale === 'ja' ? `${day.year}年` : String(day.year)
  if (precision === 'month') return monthText(day, locale)
  return locale === 'ja'
    ? `${day.year}年${day.month}月${day.day}日`
    : `${monthName(day.month).slice(0, 3)} ${day.day}, ${day.year}`
}

/** A month with its year, for month cards. */
export function monthText(day: Day, locale: FilmLocale): string {
  return locale === 'ja' ? `${day.year}年${day.month}月` : `${monthName(day.month)} ${day.year}`
}

/** A period as a title: one month, several months, one year or years; `to` is the last day, included. */
export function periodText(from: Day, to: Day, locale: FilmLocale): string {
  const ja = locale === 'ja'
  if (from.year === to.year && from.month === to.month) return monthText(from, locale)
  if (from.year === to.year && from.month === 1 && to.month === 12) return ja ? `${from.year}年` : String(from.year)
  if (from.year === to.year) {
    return ja
      ? `${from.year}年${from.month}月〜${to.month}月`
      : `${monthName(from.month)} – ${monthName(to.month)} ${to.year}`
  }
  if (from.month === 1 && to.month === 12) return ja ? `${from.year}年〜${to.year}年` : `${from.year} – ${to.year}`
  return `${monthText(from, locale)}${ja ? '〜' : ' – '}${monthText(to, locale)}`
}

/** How many of what: `12 photos, 5 videos`. */
export function countText(photos: number, videos: number, locale: FilmLocale): string {
  if (locale === 'ja') {
    return [photos > 0 ? `写真${photos}枚` : '', videos > 0 ? `動画${videos}本` : ''].filter(Boolean).join('、')
  }
  const many = (n: number, word: string): string => (n > 0 ? `${n} ${word}${n === 1 ? '' : 's'}` : '')
  return [many(photos, 'photo'), many(videos, 'video')].filter(Boolean).join(', ')
}

/** The last card's line. */
export function farewellText(locale: FilmLocale): string {
  return locale === 'ja' ? 'またね' : 'Until next time'
}

/** What a screen reader says instead of the film. */
export function altText(film: {
  title: string
  photos: number
  videos: number
  from: Day
  to: Day
  people: readonly string[]
  locale: FilmLocale
}): string {
  const counts = countText(film.photos, film.videos, film.locale)
  const first = stampText(film.from, 'day', film.locale)
  const last = stampText(film.to, 'day', film.locale)
  const dates = first === last ? first : film.locale === 'ja' ? `${first}〜${last}` : `${first} – ${last}`
  if (film.locale === 'ja') {
    return `「${film.title}」のムービー。${counts}。${dates}${film.people.length > 0 ? `。${film.people.join('、')}` : ''}`
  }
  const who = film.people.length > 0 ? `, with ${listOf(film.people)}` : ''
  return `Movie “${film.title}”: ${counts}, ${dates}${who}`
}

function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`
}
