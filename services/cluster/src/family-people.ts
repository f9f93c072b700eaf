import type { AgeGroupMeans } from './age-groups.js'
import { birthDoubts, type BirthDoubt } from './birth-doubts.js'
import type { ChildProposal, RegisteredChild } from './child-proposals.js'
import { proposeChildren } from './child-proposals.js'
import type { Face } from './face.js'
import type { LedgerEntry } from './ledger.js'
import { confidenceOfMember } from './outcome.js'
import type { Group, Partition } from './partition.js'
import { Partitioner } from './partition.js'
import type { PersonView } from './people.js'
import { anchorsOf, assignIds, describePerson, spokenOf } from './people.js'
import type { Question } from './questions.js'
import { questionsOf } from './questions.js'

/** Who a face is as far as it is stored. */
export interface StoredFace {
  /** null for nobody. */
  personId: string | null
  /** 0..1; 1 = said by a parent. */
  confidence: number
  confirmed: boolean
}

/** A face that is somebody else than stored, or with another confidence. */
export interface FaceChange extends StoredFace {
  faceId: string
  mediaId: string
  /** Not only the confidence is another. */
  told: boolean
}

/** A person with the faces that stand for it. */
export type PersonRow = PersonView & { anchors: string[] }

/** What a run changes. */
export interface OutcomeChange {
  faces: FaceChange[]
  /** People who are new, or of whom something is different. */
  people: PersonRow[]
  gonePeople: string[]
  /** All there are. */
  questions: Question[]
  proposals: ChildProposal[]
  birthDoubts: BirthDoubt[]
}

/** What came and went since the run before, all words, all children. */
export interface FamilyChange {
  added: readonly Face[]
  gone: readonly string[]
  ledger: readonly LedgerEntry[]
  children: readonly RegisteredChild[]
  /** What is stored of these faces: of all added ones at least. */
  stored: readonly (readonly [id: string, face: StoredFace])[]
  /** What is stored was read anew: nothing that an earlier run answered counts. */
  whole: boolean
}

/** A change of confidence that nobody sees. */
const SAME_CONFIDENCE = 0.005

/**
 * The people of one family, kept from run to run: answers what a run changes, and works only on that. Applied one after the other, the
 * changes come to what `decide` answers for everything at once, but for ids of people, which follow the history.
 */
export class FamilyPeople {
  readonly #partitioner: Partitioner
  readonly #faces = new Map<string, StoredFace & { mediaId: string }>()
  /** Groups of the latest run with the ids of their people, and how those are described. */
  #ids = new Map<Group, string>()
  #rows = new Map<string, { group: Group; row: PersonRow; written: string }>()

  constructor(
    means: AgeGroupMeans | undefined,
    private readonly newId: () => string,
  ) {
    this.#partitioner = new Partitioner(means)
  }

  run(change: FamilyChange): OutcomeChange {
    const { ledger, children } = change
    for (const id of change.gone) this.#faces.delete(id)
    if (change.whole) {
      this.#ids = new Map()
      this.#rows = new Map()
    }
    const stored = new Map(change.stored)
    const nobody: StoredFace = { personId: null, confidence: 0, confirmed: false }
    for (const { id, mediaId } of change.added) this.#faces.set(id, { mediaId, ...nobody })
    for (const [id, face] of stored) Object.assign(this.#faces.get(id)!, face)
    const births = new Map(children.map(child => [child.id, child.birth]))
    const result = this.#partitioner.run({ added: change.added, gone: change.gone, ledger, births })
    const ids = this.#assign(result, ledger)
    const faces = this.#changedFaces(result, ids)
    const { people, views } = this.#describe(result, ids, ledger)
    const before = this.#rows
    this.#rows = new Map(ids.map((id, g) => [id, { ...views[g]!, group: result.groups[g]! }]))
    this.#ids = new Map(result.groups.map((group, g) => [group, ids[g]!]))
    const shown = views.map(view => view.row)
    const noChild = new Set([...result.said.attributes].filter(([, a]) => a.noChild).map(([id]) => id))
    return {
      faces,
      people,
      gonePeople: [...before.keys()].filter(id => !this.#rows.has(id)),
      questions: questionsOf(result, ids, shown),
      proposals: proposeChildren(shown, result.groups, children, noChild),
      birthDoubts: birthDoubts(shown, result.groups, children),
    }
  }

  /** Groups that are as they were keep their ids; the others are given some as in a family without them. */
  #assign(result: Partition, ledger: readonly LedgerEntry[]): string[] {
    const spoken = new Set<string>()
    for (const entry of ledger)
      for (const { personId, anchors } of spokenOf(entry)) {
        spoken.add(personId)
        for (const face of anchors) {
          const { personId: stands } = this.#faces.get(face) ?? { personId: null }
          if (stands !== null) spoken.add(stands)
        }
      }
    const kept = result.groups.map(group => {
      const id = this.#ids.get(group)
      return id === undefined || (spoken.has(id) && group.said !== id) ? undefined : id
    })
    const give = (groups: readonly Group[]): string[] => {
      const previous = new Map<string, string>()
      for (const group of groups) {
        if (group.said !== undefined) continue
        for (const { face } of group.members) {
          const { personId } = this.#faces.get(face.id)!
          if (personId !== null) previous.set(face.id, personId)
        }
      }
      return assignIds({ ...result, groups: [...groups] }, ledger, previous, this.newId)
    }
    const open = result.groups.filter((_, g) => kept[g] === undefined)
    const given = give(open)
    const taken = new Set(kept)
    if (given.some(id => taken.has(id)) || kept.some(id => id !== undefined && result.said.mergedInto.has(id)))
      return give(result.groups)
    let next = 0
    return kept.map(id => id ?? given[next++]!)
  }

  #changedFaces(result: Partition, ids: readonly string[]): FaceChange[] {
    const changed: FaceChange[] = []
    const be = (faceId: string, now: StoredFace): void => {
      const was = this.#faces.get(faceId)
      if (!was) return
      const told = was.personId !== now.personId || was.confirmed !== now.confirmed
      if (!told && Math.abs(was.confidence - now.confidence) < SAME_CONFIDENCE) return
      changed.push({ faceId, mediaId: was.mediaId, ...now, told })
      Object.assign(was, now)
    }
    result.groups.forEach((group, g) => {
      const personId = ids[g]!
      if (this.#ids.get(group) === personId) return
      for (const m of group.members)
        be(m.face.id, { personId, confidence: confidenceOfMember(m, group), confirmed: m.confirmed })
    })
    for (const id of result.said.nobody) be(id, { personId: null, confidence: 0, confirmed: false })
    return changed
  }

  #describe(
    result: Partition,
    ids: readonly string[],
    ledger: readonly LedgerEntry[],
  ): { people: PersonRow[]; views: { row: PersonRow; written: string }[] } {
    const touched = new Set<string>()
    for (const entry of ledger) {
      if (entry.undone) continue
      for (const { personId } of spokenOf(entry)) touched.add(result.said.mergedInto.get(personId) ?? personId)
    }
    const people: PersonRow[] = []
    const views = result.groups.map((group, g) => {
      const id = ids[g]!
      const before = this.#rows.get(id)
      const attributes = result.said.attributes.get(id)
      if (
        before?.group === group &&
        before.row.perhapsOurs === result.perhapsOurs.has(group) &&
        before.row.touched === touched.has(id) &&
        before.row.name === attributes?.name &&
        before.row.childId === attributes?.childId &&
        before.row.hidden === (attributes?.hidden ?? false)
      )
        return before
      const view = { ...describePerson(group, id, result, []), touched: touched.has(id) }
      const row = { ...view, anchors: anchorsOf(group, result) }
      const written = JSON.stringify(row)
      if (before?.written !== written) people.push(row)
      return { row, written }
    })
    return { people, views }
  }
}
