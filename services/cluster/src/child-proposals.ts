import type { Group } from './partition.js'
import type { PersonView } from './people.js'
import { YEAR } from './year.js'

/** A registered child as far as it matters here. */
export interface RegisteredChild {
  id: string
  /** Epoch milliseconds of the birth date. */
  birth: number
}

/** "This may be one of your children": for a parent to link or to dismiss. */
export interface ChildProposal {
  personId: string
  childId?: string
  /** 0..1 */
  confidence: number
  /** A sentence in English. */
  reason: string
}

/** Faces before the birth that are put down to wrong dates, as a share. */
const BEFORE_BIRTH = 0.03
/** Items in which an unregistered child must be seen: guests come and go. */
const FREQUENT = 4
const LEAST_CONFIDENCE = 0.3

/** Error of the age estimate at a true age, one standard deviation in years (published: 1.5 to 3 years old, 3.1, 4.8, 5.0 above). */
export const ageError = (age: number): number => Math.min(6, 1.8 + 0.3 * Math.max(0, age))

/** People who may be registered children (by age on the days of the pictures), one per child, then frequent children nobody registered. */
export function proposeChildren(
  people: readonly PersonView[],
  groups: readonly Group[],
  children: readonly RegisteredChild[],
  noChild: ReadonlySet<string>,
): ChildProposal[] {
  const linked = new Set(people.map(p => p.childId).filter(id => id !== undefined))
  const open = children.filter(c => !linked.has(c.id))
  const able = people
    .map((view, g) => ({ view, g }))
    .filter(p => p.view.childId === undefined && !p.view.hidden && !noChild.has(p.view.id))
  const fits = able.flatMap(({ view, g }) =>
    open.map(child => ({ view, child, fit: fitOf(groups[g]!, child) * (1 - Math.exp(-view.mediaCount / 4)) })),
  )
  const proposals: ChildProposal[] = []
  const used = new Set<string>()
  fits.sort((a, b) => b.fit - a.fit || b.view.mediaCount - a.view.mediaCount || (a.view.id < b.view.id ? -1 : 1))
  for (const { view, child, fit } of fits) {
    if (fit < LEAST_CONFIDENCE || used.has(view.id) || used.has(child.id)) continue
    used.add(view.id).add(child.id)
    // Another child of the family with a like age makes it less sure which one this is.
    const rivals = fits.filter(f => f.view === view && f.child !== child).map(f => f.fit)
    const confidence = fit * (fit / (fit + Math.max(0, ...rivals) * 0.5))
    proposals.push({
      personId: view.id,
      childId: child.id,
      confidence,
      reason: `The face looks as old as the birth date says, in ${items(view.mediaCount)}.`,
    })
  }
  for (const { view } of able) {
    if (used.has(view.id) || view.stage !== 'child' || view.mediaCount < FREQUENT) continue
    proposals.push({
      personId: view.id,
      confidence: view.childProbability * (1 - Math.exp(-view.mediaCount / 8)),
      reason: `Looks about ${years(view.age ?? 0)} old and is in ${items(view.mediaCount)}.`,
    })
  }
  return proposals.sort(
    (a, b) =>
      Number(!!b.childId) - Number(!!a.childId) || b.confidence - a.confidence || (a.personId < b.personId ? -1 : 1),
  )
}

/** How well the estimated ages agree with the birth date on the days of the pictures, 0..1. */
function fitOf(group: Group, child: RegisteredChild): number {
  let sum = 0
  let seen = 0
  let early = 0
  for (const { face } of group.members) {
    if (face.takenAt === undefined) continue
    seen++
    const age = (face.takenAt - child.birth) / YEAR
    if (age < -0.01) {
      early++
      continue
    }
    const z = (face.age - age) / Math.hypot(ageError(age), 0.5 * face.ageSpread)
    sum += Math.exp(-0.5 * z * z)
  }
  if (seen === 0 || early > BEFORE_BIRTH * seen) return 0
  return sum / seen
}

const items = (n: number): string => (n === 1 ? '1 item' : `${n} items`)
const years = (age: number): string => (age < 1.5 ? '1 year' : `${Math.round(age)} years`)
