import { DIMENSIONS } from './age-groups.js'
import type { LedgerEntry } from './ledger.js'
import type { Group, Member, Partition } from './partition.js'
import { dot } from './score.js'

/** A person as it is shown. */
export interface PersonView {
  id: string
  name?: string
  childId?: string
  hidden: boolean
  /** A parent spoke about this person. */
  touched: boolean
  faceCount: number
  mediaCount: number
  coverFaceId: string
  /** Epoch milliseconds; absent where no face has a trustworthy capture time. */
  firstSeen?: number
  lastSeen?: number
  /** Median estimated age at the latest captures, years. */
  age?: number
  stage: 'child' | 'adult' | 'unknown'
  /** 0..1 */
  childProbability: number
  /** Without a name, but possibly somebody who has one: not a stranger. */
  perhapsOurs: boolean
}

/** Everyone an entry speaks of, with the faces that stood for them. */
export function spokenOf(entry: LedgerEntry): readonly { personId: string; anchors: readonly string[] }[] {
  switch (entry.kind) {
    case 'merge':
      return [entry.person, entry.into]
    case 'split':
      return [entry.person, { personId: entry.newPersonId, anchors: entry.faceIds }]
    case 'answer':
      return entry.answer === 'person' ? [entry.person, ...entry.others] : entry.others
    case 'confirm':
      return entry.from ? [entry.from, entry.person] : [entry.person]
    default:
      return entry.person ? [entry.person] : []
  }
}

/**
 * An id for each group: what the ledger says; else that of the person an entry (even one taken back) knew by these faces; else that of the
 * earlier run with most faces in common; else a new one. No id is given twice.
 */
export function assignIds(
  partition: Partition,
  ledger: readonly LedgerEntry[],
  previous: ReadonlyMap<string, string>,
  newId: () => string,
): string[] {
  const { groups, said } = partition
  const ids = groups.map(group => group.said)
  const taken = new Set<string>(ids.filter(id => id !== undefined))
  const free = (id: string): boolean => !taken.has(id) && !said.mergedInto.has(id)
  const spoken = new Map<string, string>()
  for (const entry of [...ledger].sort((a, b) => a.sequence - b.sequence)) {
    for (const person of spokenOf(entry)) for (const face of person.anchors) spoken.set(face, person.personId)
  }
  for (const known of [spoken, previous]) {
    const overlaps: { group: number; id: string; faces: number }[] = []
    groups.forEach((group, g) => {
      if (ids[g] !== undefined) return
      const counts = new Map<string, number>()
      for (const member of group.members) {
        const id = known.get(member.face.id)
        if (id !== undefined && free(id)) counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      for (const [id, faces] of counts) overlaps.push({ group: g, id, faces })
    })
    overlaps.sort((a, b) => b.faces - a.faces || a.group - b.group || (a.id < b.id ? -1 : 1))
    for (const { group, id } of overlaps) {
      if (ids[group] !== undefined || !free(id)) continue
      ids[group] = id
      taken.add(id)
    }
  }
  return ids.map(id => id ?? newId())
}

/** Years below which a person is a child. */
const GROWN = 18
/** Latest faces that tell the present age. */
const LATEST = 9

/** What there is to say about one group. */
export function describePerson(
  group: Group,
  id: string,
  partition: Partition,
  ledger: readonly LedgerEntry[],
): PersonView {
  const attributes = partition.said.attributes.get(id)
  const faces = group.members.map(m => m.face)
  const dated = faces
    .filter(f => f.takenAt !== undefined)
    // By content before by id: two albums of the same pictures have different ids and must agree.
    .sort((a, b) => a.takenAt! - b.takenAt! || a.age - b.age || (a.id < b.id ? -1 : 1))
  const latest = (dated.length ? dated : faces).slice(-LATEST)
  const ages = latest.map(f => f.age).filter(Number.isFinite)
  // The share of each estimate's bell that lies below the limit; an estimate is never surer than 3 years.
  const childProbability = ages.length ? mean(latest.map(f => bell((GROWN - f.age) / Math.max(3, f.ageSpread)))) : 0.5
  return {
    id,
    ...(attributes?.name === undefined ? {} : { name: attributes.name }),
    ...(attributes?.childId === undefined ? {} : { childId: attributes.childId }),
    hidden: attributes?.hidden ?? false,
    touched: ledger.some(
      entry => !entry.undone && spokenOf(entry).some(person => resolved(partition, person.personId) === id),
    ),
    faceCount: faces.length,
    mediaCount: new Set(faces.map(f => f.mediaId)).size,
    coverFaceId: cover(group.members).face.id,
    ...(dated.length ? { firstSeen: dated[0]!.takenAt!, lastSeen: dated.at(-1)!.takenAt! } : {}),
    ...(ages.length ? { age: median(ages) } : {}),
    stage: childProbability >= 0.7 ? 'child' : childProbability <= 0.3 ? 'adult' : 'unknown',
    childProbability,
    perhapsOurs: partition.perhapsOurs.has(group),
  }
}

const resolved = (partition: Partition, person: string): string => partition.said.mergedInto.get(person) ?? person

/** The face on the person's card: clear, and surely this person. */
function cover(members: readonly Member[]): Member {
  const worth = (m: Member): number =>
    m.face.quality + (m.confirmed ? 0.3 : 0) + 0.1 * Math.max(-1, Math.min(1, m.score))
  return members.reduce((best, m) => (worth(m) > worth(best) ? m : best))
}

/** Faces that stand for a person in the ledger, at most. */
const ANCHORS = 24

/**
 * Faces that stand for a group when a parent speaks about it: from its more typical half (a stray face must not stand for anybody),
 * spread as far as that half goes, so that each look of a person is there.
 */
export function anchorsOf(group: Group, partition: Partition): string[] {
  const { table } = partition.memory
  const typical = [...group.members]
    .sort((a, b) => Number(b.confirmed) - Number(a.confirmed) || b.score - a.score || (a.face.id < b.face.id ? -1 : 1))
    .slice(0, Math.max(8, Math.ceil(group.members.length / 2)))
    .map(m => table.index.get(m.face.id)!)
  const chosen: number[] = []
  const nearest = typical.map(() => -Infinity)
  while (chosen.length < Math.min(ANCHORS, typical.length)) {
    let next = 0
    if (chosen.length) for (let k = 1; k < typical.length; k++) if (nearest[k]! < nearest[next]!) next = k
    const at = typical[next]!
    chosen.push(at)
    typical.forEach((i, k) => {
      const near = i === at ? Infinity : dot(table.own, i * DIMENSIONS, table.own, at * DIMENSIONS)
      if (near > nearest[k]!) nearest[k] = near
    })
  }
  return chosen.map(i => table.faces[i]!.id).sort()
}

/** Area of the standard bell left of z, within 2e-3: a logistic curve fitted to it. */
const bell = (z: number): number => 1 / (1 + Math.exp(-1.702 * z))
const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length

/** Middle value of a list that is not empty. */
export function median(of: readonly number[]): number {
  const sorted = [...of].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
