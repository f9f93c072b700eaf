import { ageError, type RegisteredChild } from './child-proposals.js'
import type { Group } from './partition.js'
import type { PersonView } from './people.js'
import { YEAR } from './year.js'

/** Why a child's birth date may be wrong, for a parent to look at. */
export interface BirthDoubt {
  childId: string
  personId: string
  /** `before_birth`: seen before it. `looks_older`, `looks_younger`: than the date says. */
  kind: 'before_birth' | 'looks_older' | 'looks_younger'
  /** Items that speak against the date. */
  mediaCount: number
  /** With `before_birth`: the first of them, epoch milliseconds. */
  earliest?: number
  /** With the others: by so many years, at the middle of all items. */
  years?: number
  /** The pictures before the date were taken from the child. False: nothing of the child would have been left, so they were not. */
  followed: boolean
}

/** Items before the birth that one wrong clock may make: fewer are no doubt. */
const LEAST_EARLY = 3
/** Items by which a look is judged, at least. */
const LEAST_LOOKED_AT = 12
/** The middle item is so many standard deviations of the age estimate away; one person's estimates err alike, which is why it is much. */
const DEVIATIONS = 2.5
/** And so many years. */
const LEAST_YEARS = 3

/**
 * What pictures say against the birth dates that parents gave, at most one doubt for each person: pictures of the child before it, else a look that is years from it
 * all the time. A date is a parent's word and stays; this is for telling.
 */
export function birthDoubts(
  people: readonly PersonView[],
  groups: readonly Group[],
  children: readonly RegisteredChild[],
): BirthDoubt[] {
  const births = new Map(children.map(child => [child.id, child.birth]))
  return people
    .flatMap((view, g): BirthDoubt[] => {
      const birth = view.childId === undefined ? undefined : births.get(view.childId)
      if (birth === undefined || view.childId === undefined) return []
      const about = { childId: view.childId, personId: view.id }
      const { beforeBirth } = groups[g]!
      if (beforeBirth && beforeBirth.mediaCount >= LEAST_EARLY)
        return [{ ...about, kind: 'before_birth', ...beforeBirth }]
      const look = lookOf(groups[g]!, birth)
      return look ? [{ ...about, ...look, followed: true }] : []
    })
    .sort((a, b) => (a.childId < b.childId ? -1 : a.childId > b.childId ? 1 : a.personId < b.personId ? -1 : 1))
}

/** Whether a person looks older or younger than the birth date says, in the middle of its items. */
function lookOf(group: Group, birth: number): Pick<BirthDoubt, 'kind' | 'mediaCount' | 'years'> | undefined {
  const off: { years: number; deviations: number }[] = []
  const media = new Set<string>()
  for (const { face } of group.members) {
    if (face.takenAt === undefined || face.takenAt < birth || media.has(face.mediaId)) continue
    media.add(face.mediaId)
    const age = (face.takenAt - birth) / YEAR
    const years = face.age - age
    // The estimate errs most at greater ages: of the two that are in question the younger one says how much.
    const error = Math.hypot(ageError(Math.min(age, face.age)), 0.5 * face.ageSpread)
    off.push({ years, deviations: years / error })
  }
  if (off.length < LEAST_LOOKED_AT) return undefined
  off.sort((a, b) => a.deviations - b.deviations)
  const { years, deviations } = off[off.length >> 1]!
  if (Math.abs(deviations) < DEVIATIONS || Math.abs(years) < LEAST_YEARS) return undefined
  return {
    kind: years > 0 ? 'looks_older' : 'looks_younger',
    mediaCount: off.length,
    years: Math.round(Math.abs(years)),
  }
}
