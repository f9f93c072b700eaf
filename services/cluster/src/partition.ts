import type { AgeGroupMeans } from './age-groups.js'
import type { AgglomerateOptions, Family } from './agglomerate.js'
import { Cluster, DEFAULTS, Joining, byFirst, floorsOf } from './agglomerate.js'
import { ClosePairs } from './close-pairs.js'
import type { Conflicts } from './conflicts.js'
import { PictureConflicts } from './conflicts.js'
import type { Face } from './face.js'
import { FaceTable } from './face-table.js'
import { FinalClusters } from './final-clusters.js'
import type { LedgerEntry, Said } from './ledger.js'
import { readLedger } from './ledger.js'
import type { Part } from './time-trie.js'
import { changePart } from './time-trie.js'

/** Everything that decides who is who. */
export interface PartitionInput {
  faces: readonly Face[]
  ledger: readonly LedgerEntry[]
  /** Birth dates of registered children by id, epoch milliseconds: nobody appears before being born. */
  births?: ReadonlyMap<string, number>
  means?: AgeGroupMeans | undefined
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
  memory: Partitioner
  /** For questions: the clusters behind the groups. Good until the memory is used for another run. */
  clusters: FinalClusters
  conflicts: Conflicts
}

/** A face of this quality or less does not shape people; it joins one where it fits. */
const POOR_QUALITY = 0.1

/** A day of grace at birth: time zones, and clocks that are a day off. */
const DAY = 24 * 3600 * 1000

/** What came and went since the run before, and everything that parents said. */
export interface Change {
  /** A face under an id that is there already takes its place. */
  added: readonly Face[]
  gone: readonly string[]
  ledger: readonly LedgerEntry[]
  births?: ReadonlyMap<string, number>
}

/**
 * Faces and the ledger -> people. A pure function: the same faces and words give the same people, whatever the order in which they came,
 * whoever computes it and with or without the memory of an earlier run (which is used up by it).
 */
export function partition(
  input: PartitionInput,
  earlier?: Partitioner,
  options: AgglomerateOptions = DEFAULTS,
): Partition {
  const { faces, ledger, births } = input
  const partitioner =
    earlier && earlier.table.means === input.means && earlier.options === options
      ? earlier
      : new Partitioner(input.means, options)
  const here = new Set(faces.map(face => face.id))
  return partitioner.run({
    added: faces.filter(face => !sameFace(partitioner.face(face.id), face)),
    gone: [...partitioner.table.index.keys()].filter(id => !here.has(id)),
    ledger,
    ...(births ? { births } : {}),
  })
}

function sameFace(a: Face | undefined, b: Face): boolean {
  if (a === b) return true
  return (
    a !== undefined &&
    a.mediaId === b.mediaId &&
    a.age === b.age &&
    a.ageSpread === b.ageSpread &&
    a.quality === b.quality &&
    a.takenAt === b.takenAt &&
    JSON.stringify([a.box, a.ranges]) === JSON.stringify([b.box, b.ranges]) &&
    a.embedding.every((v, k) => v === b.embedding[k])
  )
}

/** What the ledger says about one face, as far as it decides where the face goes. */
interface Words {
  label: number
  not: ReadonlySet<number> | undefined
  nobody: boolean
  rejected: boolean
  confirmed: string | undefined
}

const NO_WORDS: Words = { label: -1, not: undefined, nobody: false, rejected: false, confirmed: undefined }

/** Which way a face takes: clustered, joined to a cluster at the end, or nobody's. */
const CLUSTERED = 1
const WAITING = 2
const NOBODY = 3

/** The best cluster for a face that waits; the face as it was then. */
interface Home {
  single: Cluster
  core: Cluster | undefined
  score: number
}

/** A family's faces with everything that a run worked out, so that the next one is about what changed only. What it answers never depends on that. */
export class Partitioner {
  readonly table: FaceTable
  readonly #conflicts: PictureConflicts
  readonly #singles: (Cluster | undefined)[] = []
  readonly #way: number[] = []
  readonly #family: Family
  /** Numbers of people in the ledger, by id and back. */
  readonly #number = new Map<string, number>()
  readonly #people: string[] = []
  #words = new Map<string, Words>()
  readonly #not = new Map<number, ReadonlySet<number>>()
  #part: Part | undefined
  #cores: readonly Cluster[] = []
  #homes = new Map<number, Home>()
  #dressed = new Map<Cluster, Cluster>()
  #groups = new WeakMap<Cluster, { roots: readonly Cluster[]; birth: number | undefined; groups: Group[] }>()

  constructor(
    means?: AgeGroupMeans,
    readonly options: AgglomerateOptions = DEFAULTS,
  ) {
    this.table = new FaceTable(means)
    this.#conflicts = new PictureConflicts(this.table)
    this.#family = {
      table: this.table,
      conflicts: this.#conflicts.of,
      singles: this.#singles,
      close: new ClosePairs(this.table.calibrations),
      options,
      runs: 0,
    }
  }

  /** A face that is there. */
  face(id: string): Face | undefined {
    const slot = this.table.index.get(id)
    return slot === undefined ? undefined : this.table.faces[slot]
  }

  /** Takes a change in and answers who is who now. What an earlier run answered is used up. */
  run(change: Change): Partition {
    const said = readLedger(change.ledger)
    this.#take(change, said)
    const clusters = this.#final()
    const groups = this.#groupsFrom(clusters, said, change.births ?? new Map())
    return { groups, said, memory: this, clusters, conflicts: this.#conflicts.of }
  }

  #take(change: Change, said: Said): void {
    const { table } = this
    const spoken = this.#listen(said)
    const gone = new Set<number>()
    for (const id of change.gone) {
      const slot = table.index.get(id)
      if (slot !== undefined) gone.add(slot)
    }
    const added = change.added.map(face => {
      const before = table.index.get(face.id)
      if (before !== undefined) gone.add(before)
      return table.add(face)
    })
    const touched = this.#conflicts.change(gone, added)
    for (const id of spoken) {
      const slot = table.index.get(id)
      if (slot !== undefined && !gone.has(slot)) touched.add(slot)
    }
    const out: number[] = []
    const into: number[] = []
    for (const slot of gone) {
      if (this.#way[slot] === CLUSTERED) out.push(slot)
      this.#drop(slot)
    }
    for (const slot of touched) {
      if (this.#way[slot] === CLUSTERED) out.push(slot)
      this.#drop(slot)
      const face = table.faces[slot]!
      const words = this.#words.get(face.id) ?? NO_WORDS
      const way = wayOf(face, words)
      this.#way[slot] = way
      this.#singles[slot] = Cluster.face(slot, this.#conflicts.of[slot]!.length > 0, words.label, words.not)
      if (words.not) this.#not.set(slot, words.not)
      if (way === CLUSTERED) into.push(slot)
      else this.#homes.set(slot, { single: this.#singles[slot], core: undefined, score: -Infinity })
    }
    this.#part = changePart(this.#family, this.#part, 0, out, into)
    for (const slot of gone) table.remove(slot)
  }

  #drop(slot: number): void {
    this.#way[slot] = 0
    this.#singles[slot] = undefined
    this.#not.delete(slot)
    this.#homes.delete(slot)
  }

  /** Takes the ledger in; answers the faces about which it says something else than before. */
  #listen(said: Said): Set<string> {
    const ids = new Set([...said.label.keys(), ...said.not.keys(), ...said.nobody, ...said.rejected])
    const words = new Map<string, Words>()
    for (const id of ids) {
      const label = said.label.get(id)
      const refused = said.not.get(id)
      words.set(id, {
        label: label === undefined ? -1 : this.#numberOf(label),
        not: refused?.size ? new Set([...refused].sort().map(person => this.#numberOf(person))) : undefined,
        nobody: said.nobody.has(id),
        rejected: said.rejected.has(id),
        confirmed: said.confirmed.get(id),
      })
    }
    const before = this.#words
    this.#words = words
    const changed = new Set<string>()
    for (const id of new Set([...before.keys(), ...words.keys()]))
      if (!sameWords(before.get(id) ?? NO_WORDS, words.get(id) ?? NO_WORDS)) changed.add(id)
    return changed
  }

  #numberOf(person: string): number {
    const known = this.#number.get(person)
    if (known !== undefined) return known
    this.#people.push(person)
    this.#number.set(person, this.#people.length - 1)
    return this.#people.length - 1
  }

  /** Gives each waiting face to the best cluster that will have it, all judged against the same clusters. */
  #final(): FinalClusters {
    const { table, options } = this
    const before = new Set(this.#cores)
    const cores = this.#part?.clusters ?? []
    this.#cores = cores
    const here = new Set(cores)
    const fresh = cores.filter(core => !before.has(core))
    const lone: Cluster[] = []
    const looking: Home[] = []
    const asBefore: Home[] = []
    for (const [slot, home] of this.#homes) {
      if (this.#way[slot] === NOBODY) lone.push(home.single)
      else if (home.score > -Infinity && home.core && !here.has(home.core)) looking.push(home)
      else if (home.score === -Infinity && home.core === undefined) looking.push(home)
      else asBefore.push(home)
    }
    const judging = new Joining(this.#family, [...cores, ...[...this.#homes.values()].map(home => home.single)])
    const floors = floorsOf(options)
    const compare = (homes: readonly Home[], clusters: readonly Cluster[]): void => {
      this.#family.close.find(
        homes.map(home => judging.sums(home.single.place)),
        clusters.map(core => judging.sums(core.place)),
        floors,
        (h, c) => {
          const home = homes[h]!
          const core = clusters[c]!
          const score = judging.score(home.single.place, core.place)
          if (score < options.threshold || score < home.score) return
          if (score === home.score && home.core && table.compare(home.core.first, core.first) < 0) return
          home.core = core
          home.score = score
        },
      )
    }
    for (const home of looking) {
      home.core = undefined
      // Looked at: nobody yet, which is less than any score that counts.
      home.score = Number.MIN_SAFE_INTEGER
    }
    if (looking.length) compare(looking, cores)
    if (asBefore.length && fresh.length) compare(asBefore, fresh)
    const joiners = new Map<Cluster, Cluster[]>()
    for (const [slot, home] of this.#homes) {
      if (this.#way[slot] === NOBODY) continue
      if (!home.core) lone.push(home.single)
      else {
        const list = joiners.get(home.core)
        if (list) list.push(home.single)
        else joiners.set(home.core, [home.single])
      }
    }
    const dressed = new Map<Cluster, Cluster>()
    for (const [core, singles] of joiners) {
      const parts = [core, ...singles].sort(byFirst(table))
      const same = this.#dressed.get(core)
      dressed.set(core, same && equal(same.parts, parts) ? again(same) : Cluster.of(parts))
    }
    this.#dressed = dressed
    return new FinalClusters(this.#family, [...cores.map(core => dressed.get(core) ?? core), ...lone], this.#not)
  }

  /** Clusters -> people: clusters of one name are one person, nobody is there before birth, and once per picture. */
  #groupsFrom(clusters: FinalClusters, said: Said, births: ReadonlyMap<string, number>): Group[] {
    const byLabel = new Map<number, number[]>()
    const lists: { said?: string; roots: number[] }[] = []
    clusters.clusters.forEach((cluster, root) => {
      if (this.#way[cluster.first] === NOBODY) return
      const label = clusters.label[root]!
      if (label < 0) lists.push({ roots: [root] })
      else {
        const found = byLabel.get(label)
        if (found) found.push(root)
        else {
          const roots = [root]
          byLabel.set(label, roots)
          lists.push({ said: this.#people[label]!, roots })
        }
      }
    })
    const groups: Group[] = []
    const kept = new WeakMap<Cluster, { roots: readonly Cluster[]; birth: number | undefined; groups: Group[] }>()
    for (const list of lists) {
      const child = list.said === undefined ? undefined : said.attributes.get(list.said)?.childId
      const birth = child === undefined ? undefined : births.get(child)
      const roots = list.roots.map(root => clusters.clusters[root]!)
      const known = this.#groups.get(roots[0]!)
      const entry =
        known && known.birth === birth && equal(known.roots, roots)
          ? known
          : { roots, birth, groups: this.#groupsOf(clusters, list, birth, said) }
      kept.set(roots[0]!, entry)
      groups.push(...entry.groups)
    }
    this.#groups = kept
    const { table } = this
    const first = (group: Group): number => table.index.get(group.members[0]!.face.id)!
    return groups
      .map(group => [first(group), group] as const)
      .sort((a, b) => table.compare(a[0], b[0]))
      .map(([, group]) => group)
  }

  #groupsOf(
    clusters: FinalClusters,
    list: { said?: string; roots: readonly number[] },
    birth: number | undefined,
    said: Said,
  ): Group[] {
    const { table } = this
    const members: (Member & { at: number; place: number })[] = []
    for (const root of list.roots) {
      for (const i of clusters.members(root)) {
        const face = table.faces[i]!
        members.push({
          at: i,
          place: members.length,
          face,
          score: clusters.count[root]! < 2 ? 0 : clusters.averageToOthers(i, root),
          confirmed: list.said !== undefined && said.confirmed.get(face.id) === list.said,
        })
      }
    }
    const stays = new Set(
      members.filter(
        m => m.confirmed || birth === undefined || m.face.takenAt === undefined || m.face.takenAt >= birth - DAY,
      ),
    )
    expelDoubles(members, stays, this.#conflicts.of)
    const kept = members.filter(m => stays.has(m))
    const groups: Group[] = []
    if (kept.length) groups.push({ ...(list.said === undefined ? {} : { said: list.said }), members: kept.map(strip) })
    for (const m of members) if (!stays.has(m)) groups.push({ members: [{ ...strip(m), score: 0 }] })
    return groups
  }
}

/** A face that was taken away from somebody must not pull its neighbours away from him; a poor one must not bridge two people. */
function wayOf(face: Face, words: Words): number {
  if (words.nobody) return NOBODY
  return words.label < 0 && (words.rejected || !(face.quality > POOR_QUALITY)) ? WAITING : CLUSTERED
}

function sameWords(a: Words, b: Words): boolean {
  return (
    a.label === b.label &&
    a.nobody === b.nobody &&
    a.rejected === b.rejected &&
    a.confirmed === b.confirmed &&
    a.not?.size === b.not?.size &&
    (!a.not || [...a.not].every(person => b.not!.has(person)))
  )
}

function again(cluster: Cluster): Cluster {
  for (const part of cluster.parts) part.up = cluster
  return cluster
}

const equal = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i])

const strip = ({ face, score, confirmed }: Member): Member => ({ face, score, confirmed })

/** Of two faces of one person that one picture shows apart, the surer one stays; a parent's word keeps both. */
function expelDoubles(
  members: readonly (Member & { at: number; place: number })[],
  stays: Set<Member>,
  conflicts: Conflicts,
): void {
  let here: Map<number, (typeof members)[number]> | undefined
  for (const m of members) {
    const others = conflicts[m.at]!
    if (m.confirmed || others.length === 0) continue
    here ??= new Map(members.map(other => [other.at, other]))
    for (const j of others) {
      const other = here.get(j)
      if (
        other &&
        stays.has(other) &&
        (other.confirmed || other.score > m.score || (other.score === m.score && other.place < m.place))
      ) {
        stays.delete(m)
        break
      }
    }
  }
}
