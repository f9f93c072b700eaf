import type { AgeGroupMeans } from './age-groups.js'
import type { AgglomerateOptions, Clusters, Demands } from './agglomerate.js'
import { DEFAULTS, agglomerate } from './agglomerate.js'
import type { Conflicts } from './conflicts.js'
import { findConflicts } from './conflicts.js'
import type { Face } from './face.js'
import type { LedgerEntry, Said } from './ledger.js'
import { readLedger } from './ledger.js'
import type { Neighbours } from './neighbours.js'
import { findNeighbours } from './neighbours.js'
import type { FaceTable } from './score.js'
import { faceTable } from './score.js'

/** Everything that decides who is who. */
export interface PartitionInput {
  faces: readonly Face[]
  ledger: readonly LedgerEntry[]
  /** Birth dates of registered children by id, epoch milliseconds: nobody appears before being born. */
  births?: ReadonlyMap<string, number>
  means?: AgeGroupMeans | undefined
}

/** What a run leaves behind to make the next one quick; never changes its result. */
export interface Memory {
  table: FaceTable
  neighbours: Neighbours
}

/** A face in a person: how well it fits there. */
export interface Member {
  face: Face
  /** Average score against the rest of its cluster; 0 for a person of one face. */
  score: number
  /** A parent said so about this face. */
  confirmed: boolean
}

/** One person of the partition. */
export interface Group {
  /** The person's id where the ledger names it. */
  said?: string
  /** In canonical order, at least one. */
  members: Member[]
}

export interface Partition {
  /** In canonical order of their first face. */
  groups: Group[]
  said: Said
  memory: Memory
  /** For questions: the clusters behind the groups. */
  clusters: Clusters
  conflicts: Conflicts
  /** Index of a face's group, -1 for a face of nobody. */
  groupOf: Int32Array
}

/** A face of this quality or less does not shape people; it joins one where it fits. */
const POOR_QUALITY = 0.1

/** A day of grace at birth: time zones, and clocks that are a day off. */
const DAY = 24 * 3600 * 1000

/**
 * Faces and the ledger -> people. A pure function: the same faces and words give the same people, whatever the order in which they came,
 * whoever computes it and with or without the memory of an earlier run.
 */
export function partition(input: PartitionInput, earlier?: Memory, options: AgglomerateOptions = DEFAULTS): Partition {
  const table = faceTable(input.faces, input.means)
  const neighbours = findNeighbours(table, {
    floor: options.threshold - options.childSlack,
    ...(earlier ? { earlier } : {}),
  })
  const conflicts = findConflicts(table)
  const said = readLedger(input.ledger)
  const people = [...new Set(said.label.values())].sort()
  const demands = demandsOf(table, said, people)
  const clusters = agglomerate(table, neighbours, conflicts, demands, options)
  const groups = groupsOf(clusters, conflicts, said, people, input.births ?? new Map())
  const groupOf = new Int32Array(table.size).fill(-1)
  groups.forEach((group, g) => {
    for (const member of group.members) groupOf[table.index.get(member.face.id)!] = g
  })
  return { groups, said, memory: { table, neighbours }, clusters, conflicts, groupOf }
}

function demandsOf(table: FaceTable, said: Said, people: readonly string[]): Demands {
  const number = new Map(people.map((id, i) => [id, i]))
  const label = new Int32Array(table.size).fill(-1)
  const waits = new Uint8Array(table.size)
  const nobody = new Uint8Array(table.size)
  const not = new Map<number, ReadonlySet<number>>()
  table.faces.forEach((face, i) => {
    const stands = said.label.get(face.id)
    if (stands !== undefined) label[i] = number.get(stands)!
    const refused = said.not.get(face.id)
    if (refused) {
      const numbers = new Set([...refused].map(id => number.get(id)).filter(id => id !== undefined))
      if (numbers.size) not.set(i, numbers)
    }
    if (said.nobody.has(face.id)) nobody[i] = 1
    // A face that was taken away from somebody must not pull its neighbours away from him; a poor one must not bridge two people.
    else if (stands === undefined && (said.rejected.has(face.id) || face.quality <= POOR_QUALITY)) waits[i] = 1
  })
  return { label, not, waits, nobody }
}

/** Clusters -> people: clusters of one name are one person, nobody is there before birth, and once per picture. */
function groupsOf(
  clusters: Clusters,
  conflicts: Conflicts,
  said: Said,
  people: readonly string[],
  births: ReadonlyMap<string, number>,
): Group[] {
  const { table } = clusters
  const byLabel = new Map<number, number[]>()
  const lists: { said?: string; roots: number[] }[] = []
  for (const root of clusters.roots()) {
    if (said.nobody.has(table.faces[root]!.id)) continue
    const label = clusters.label[root]!
    if (label < 0) lists.push({ roots: [root] })
    else {
      const found = byLabel.get(label)
      if (found) found.push(root)
      else {
        const roots = [root]
        byLabel.set(label, roots)
        lists.push({ said: people[label]!, roots })
      }
    }
  }
  const groups: Group[] = []
  for (const list of lists) {
    const members: (Member & { at: number })[] = []
    for (const root of list.roots) {
      for (const i of clusters.members(root)) {
        const face = table.faces[i]!
        members.push({
          at: i,
          face,
          score: fit(clusters, i, root),
          confirmed: said.confirmed.get(face.id) === list.said && list.said !== undefined,
        })
      }
    }
    members.sort((a, b) => a.at - b.at)
    const child = list.said === undefined ? undefined : said.attributes.get(list.said)?.childId
    const birth = child === undefined ? undefined : births.get(child)
    const stays = new Set(
      members.filter(
        m => m.confirmed || birth === undefined || m.face.takenAt === undefined || m.face.takenAt >= birth - DAY,
      ),
    )
    expelDoubles(members, stays, conflicts)
    const kept = members.filter(m => stays.has(m))
    if (kept.length) groups.push({ ...(list.said === undefined ? {} : { said: list.said }), members: kept.map(strip) })
    for (const m of members) if (!stays.has(m)) groups.push({ members: [{ ...strip(m), score: 0 }] })
  }
  return groups.sort((a, b) => table.index.get(a.members[0]!.face.id)! - table.index.get(b.members[0]!.face.id)!)
}

const strip = ({ face, score, confirmed }: Member): Member => ({ face, score, confirmed })

/** Of two faces of one person that one picture shows apart, the surer one stays; a parent's word keeps both. */
function expelDoubles(members: readonly (Member & { at: number })[], stays: Set<Member>, conflicts: Conflicts): void {
  const here = new Map(members.map(m => [m.at, m]))
  for (const m of members) {
    if (m.confirmed) continue
    for (const j of conflicts[m.at]!) {
      const other = here.get(j)
      if (
        other &&
        stays.has(other) &&
        (other.confirmed || other.score > m.score || (other.score === m.score && other.at < m.at))
      ) {
        stays.delete(m)
        break
      }
    }
  }
}

/** Average score of a face against the others of its cluster. */
function fit(clusters: Clusters, i: number, root: number): number {
  const n = clusters.count[root]!
  if (n < 2) return 0
  return clusters.averageToOthers(i, root)
}
