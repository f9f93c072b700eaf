import type { Person } from '../api.ts'
import type { Locale } from '../i18n/messages.tsx'
import { monthName, monthOf } from './dates.ts'

/** The sentences that tell people without a name apart. */
interface Words {
  photosOf(count: number): string
  firstSeen(month: string): string
}

/** What tells a person from others who have no name either: how many photos, and the month of the first, where one is dated. */
export function personFacts(person: Pick<Person, 'mediaCount' | 'firstSeen'>, m: Words, locale: Locale): string {
  const month = monthName(monthOf(person.firstSeen), locale)
  return [m.photosOf(person.mediaCount), month && m.firstSeen(month)].filter(Boolean).join(' · ')
}

/** People in the order in which somebody looks for one: those with a name by it, then the others, most photos first. */
export function forChoice<T extends Pick<Person, 'name' | 'mediaCount'>>(people: readonly T[], locale: Locale): T[] {
  const { compare } = new Intl.Collator(locale)
  return [...people].sort((a, b) => {
    if (a.name !== undefined && b.name !== undefined) return compare(a.name, b.name)
    if (a.name !== undefined || b.name !== undefined) return a.name === undefined ? 1 : -1
    return b.mediaCount - a.mediaCount
  })
}
