import { loadAgeGroupMeans } from './age-groups.js'
import type { AgeGroupMeans } from './age-groups.js'
import { birthDoubts, type BirthDoubt } from './birth-doubts.js'
import type { ChildProposal, RegisteredChild } from './child-proposals.js'
import { proposeChildren } from './child-proposals.js'
import type { Face } from './face.js'
import type { LedgerEntry } from './ledger.js'
import type { Group, Member, Partitioner } from './partition.js'
import { partition } from './partition.js'
import type { PersonView } from './people.js'
import { anchorsOf, assignIds, describePerson } from './people.js'
import type { Question } from './questions.js'
import { questionsOf } from './questions.js'
import { confidenceOf } from './score.js'

/** Everything a run is made from. */
export interface RunInput {
  faces: readonly Face[]
  ledger: readonly LedgerEntry[]
  children: readonly RegisteredChild[]
  /** Face -> person of the run before. */
  previous: ReadonlyMap<string, string>
}

/** Who a face is. */
export interface FaceOutcome {
  faceId: string
  personId: string
  /** 0..1; 1 = said by a parent. */
  confidence: number
  confirmed: boolean
}

/** Everything a run decides. Faces of nobody are in no list. */
export interface Outcome {
  faces: FaceOutcome[]
  people: (PersonView & { anchors: string[] })[]
  questions: Question[]
  proposals: ChildProposal[]
  birthDoubts: BirthDoubt[]
}

/** Decides a family anew. `memory` of an earlier run makes it quicker and changes nothing. */
export function decide(
  input: RunInput,
  means: AgeGroupMeans | undefined,
  newId: () => string,
  memory?: Partitioner,
): { outcome: Outcome; memory: Partitioner } {
  const births = new Map(input.children.map(c => [c.id, c.birth]))
  const result = partition({ faces: input.faces, ledger: input.ledger, births, means }, memory)
  const ids = assignIds(result, input.ledger, input.previous, newId)
  const views = result.groups.map((group, g) => describePerson(group, ids[g]!, result, input.ledger))
  const noChild = new Set([...result.said.attributes].filter(([, a]) => a.noChild).map(([id]) => id))
  return {
    outcome: {
      faces: result.groups.flatMap((group, g) =>
        group.members.map(m => ({
          faceId: m.face.id,
          personId: ids[g]!,
          confidence: confidenceOfMember(m, group),
          confirmed: m.confirmed,
        })),
      ),
      people: views.map((view, g) => ({ ...view, anchors: anchorsOf(result.groups[g]!, result) })),
      questions: questionsOf(result, ids, views),
      proposals: proposeChildren(views, result.groups, input.children, noChild),
      birthDoubts: birthDoubts(views, result.groups, input.children),
    },
    memory: result.memory,
  }
}

/** How sure it is that a face is the person of its group, 0..1; 1 = said by a parent. */
export function confidenceOfMember(member: Member, group: Group): number {
  if (member.confirmed) return 1
  return group.members.length < 2 ? 0.5 : Math.min(0.99, confidenceOf(member.score))
}

/** Reads the means that belong to the runs of one process. */
export const meansOf = (file: string | undefined): AgeGroupMeans | undefined =>
  file === undefined ? loadAgeGroupMeans() : file === '' ? undefined : loadAgeGroupMeans(file)
