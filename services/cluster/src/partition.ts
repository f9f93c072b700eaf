import type { AgeGroupMeans } from './age-groups.js'
import type { AgglomerateOptions, Family, Words } from './agglomerate.js'
import { Cluster, DEFAULTS, Joining, byFirst, equal, floorsOf } from './agglomerate.js'
import { ClosePairs } from './close-pairs.js'
import type { Conflicts } from './conflicts.js'
import { PictureConflicts } from './conflicts.js'
import type { Face } from './face.js'
import { FaceTable } from './face-table.js'
import { FinalClusters } from './final-clusters.js'
import type { LedgerEntry, Said } from './ledger.js'
import { readLedger } from './ledger.js'
import type { Verdicts } from './look-alikes.js'
import { tellApart } from './look-alikes.js'
import { faceScore } from './sums.js'
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

/** One person of the partition. The same object as in the run before where nothing of it changed. */
export interface Group {
  /** The person's id where the ledger names it. */
  said?: string
  /** At least one, in an order that depends on their content only. Scores are worked out when they are first asked for. */
  readonly members: readonly Member[]
  /** Of a child: its pictures from before the birth date that nobody confirmed, and whether they were taken from it for that. */
  readonly beforeBirth?: { readonly mediaCount: number; readonly earliest: number; readonly followed: boolean }
}

export interface Partition {
  /** In canonical order of their first face. */
  groups: Group[]
  said: Said
  memory: Partitioner
  /** For questions: the clusters behind the groups. Good until the memory is used for another run. */
  clusters: FinalClusters
  conflicts: Conflicts
  /** What was decided about named children beyond their clusters. */
  verdicts: Verdicts
  /** Groups without a name that may be of somebody who has one: which cannot be told, or a picture or a birth date spoke against it. */
  perhapsOurs: ReadonlySet<Group>
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
interface FaceWords {
  label: number
  not: ReadonlySet<number> | undefined
  nobody: boolean
  rejected: boolean
  confirmed: string | undefined
}

const NO_WORDS: FaceWords = { label: -1, not: undefined, nobody: false, rejected: false, confirmed: undefined }

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

/** A group whose members are made when they are first asked for. */
function lazily(named: { said?: string }, make: () => Member[]): Group {
  let members: Member[] | undefined
  return {
    ...named,
    get members() {
      return (members ??= make())
    },
  }
}

const newHome = (single: Cluster): Home => ({ single, core: undefined, score: -Infinity })

/** Groups that come of clusters which are one person, and what they depend on beside the faces. */
interface Known {
  said: string | undefined
  roots: readonly Cluster[]
  birth: number | undefined
  groups: readonly { first: number; group: Group }[]
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
  #words = new Map<string, FaceWords>()
  /** Faces that were there and of which something else is said since the run before. */
  #retold = new Set<number>()
  #part: Part | undefined
  #cores: readonly Cluster[] = []
  #homes = new Map<number, Home>()
  #dressed = new Map<Cluster, Cluster>()
  /** For expelling: the place of a face among those of the group at hand. What is left from other groups is told by the face not being there. */
  readonly #place: number[] = []
  #groups = new WeakMap<Cluster, Known>()

  constructor(
    means?: AgeGroupMeans,
    readonly options: AgglomerateOptions = DEFAULTS,
  ) {
    this.table = new FaceTable(means)
    this.#conflicts = new PictureConflicts(this.table)
    this.#family = {
      table: this.table,
      conflicts: this.#conflicts,
      singles: this.#singles,
      close: new ClosePairs(this.table.calibrations),
      options,
      words: { slots: [], label: new Map(), not: new Map() },
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
    const births = change.births ?? new Map<string, number>()
    const verdicts = tellApart(clusters, this.#conflicts.of, said, this.#people, births)
    const found = this.#groupsFrom(clusters, said, births, verdicts)
    return {
      groups: found.map(({ group }) => group),
      said,
      memory: this,
      clusters,
      conflicts: this.#conflicts.of,
      verdicts,
      perhapsOurs: this.#perhapsOurs(found, clusters, said, verdicts),
    }
  }

  #take(change: Change, said: Said): void {
    const { table } = this
    this.#retold = new Set()
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
    const fresh = this.#conflicts.change(gone, added)
    const touched: number[] = []
    const out: number[] = []
    const into: number[] = []
    for (const slot of gone) {
      if (this.#way[slot] === CLUSTERED) out.push(slot)
      this.#drop(slot)
    }
    for (const id of spoken) {
      const slot = table.index.get(id)
      if (slot === undefined || gone.has(slot) || fresh.has(slot)) continue
      this.#retold.add(slot)
      if (this.#way[slot] !== wayOf(table.faces[slot]!, this.#words.get(id) ?? NO_WORDS)) fresh.add(slot)
      else if (this.#way[slot] === CLUSTERED) touched.push(slot)
    }
    for (const slot of fresh) {
      if (this.#way[slot] === CLUSTERED) out.push(slot)
      this.#drop(slot)
      const face = table.faces[slot]!
      const way = wayOf(face, this.#words.get(face.id) ?? NO_WORDS)
      const single = Cluster.face(slot, this.#conflicts.of[slot]!.length > 0)
      this.#way[slot] = way
      this.#singles[slot] = single
      if (way === CLUSTERED) into.push(slot)
      else this.#homes.set(slot, newHome(single))
    }
    this.#family.words = this.#wordsBySlot()
    // Clusters are called otherwise now: whoever must not go to some person looks again.
    if (spoken.size)
      for (const [slot, home] of this.#homes)
        if (this.#family.words.not.has(slot) || this.#retold.has(slot)) this.#homes.set(slot, newHome(home.single))
    this.#part = changePart(this.#family, this.#part, 0, { gone: out, added: into, touched })
    for (const slot of gone) table.remove(slot)
  }

  #wordsBySlot(): Words {
    const slots: number[] = []
    const label = new Map<number, number>()
    const not = new Map<number, ReadonlySet<number>>()
    for (const [id, words] of this.#words) {
      const slot = this.table.index.get(id)
      if (slot === undefined) continue
      slots.push(slot)
      if (words.label >= 0) label.set(slot, words.label)
      if (words.not) not.set(slot, words.not)
    }
    return { slots, label, not }
  }

  #drop(slot: number): void {
    this.#way[slot] = 0
    this.#singles[slot] = undefined
    this.#homes.delete(slot)
  }

  /** Takes the ledger in; answers the faces about which it says something else than before. */
  #listen(said: Said): Set<string> {
    const ids = new Set([...said.label.keys(), ...said.not.keys(), ...said.nobody, ...said.rejected])
    const words = new Map<string, FaceWords>()
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
      dressed.set(core, same && equal(same.parts, parts) ? again(same) : Cluster.of(parts, true))
    }
    this.#dressed = dressed
    return new FinalClusters(this.#family, [...cores.map(core => dressed.get(core) ?? core), ...lone])
  }

  /** Clusters -> people: clusters of one name are one person, nobody is there before birth, and once per picture. */
  #groupsFrom(
    clusters: FinalClusters,
    said: Said,
    births: ReadonlyMap<string, number>,
    verdicts: Verdicts,
  ): Known['groups'] {
    const byLabel = new Map<number, number[]>()
    const lists: { said?: string; roots: number[] }[] = []
    const parted: number[] = []
    clusters.clusters.forEach((cluster, root) => {
      if (this.#way[cluster.first] === NOBODY) return
      const label = clusters.label[root]!
      if (
        label >= 0
          ? verdicts.children.has(this.#people[label]!)
          : verdicts.person.has(cluster.first) || verdicts.open.has(cluster.first) || verdicts.parts.has(cluster.first)
      ) {
        parted.push(root)
        return
      }
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
    const retold = new Set([...this.#retold].map(slot => clusters.root(slot)))
    const groups: { first: number; group: Group }[] = []
    const kept = new WeakMap<Cluster, Known>()
    for (const list of lists) {
      const child = list.said === undefined ? undefined : said.attributes.get(list.said)?.childId
      const birth = child === undefined ? undefined : births.get(child)
      const roots = list.roots.map(root => clusters.clusters[root]!)
      const known = this.#groups.get(roots[0]!)
      const entry =
        known &&
        known.said === list.said &&
        known.birth === birth &&
        equal(known.roots, roots) &&
        !list.roots.some(root => retold.has(root))
          ? known
          : {
              said: list.said,
              roots,
              birth,
              groups: this.#groupsOf(
                clusters,
                { ...list, faces: facesOf(clusters, list.roots), whole: true },
                birth,
                said,
              ),
            }
      kept.set(roots[0]!, entry)
      groups.push(...entry.groups)
    }
    this.#groups = kept
    for (const list of partedLists(clusters, parted, this.#people, verdicts)) {
      const child = list.said === undefined ? undefined : said.attributes.get(list.said)?.childId
      const birth = child === undefined ? undefined : births.get(child)
      groups.push(...this.#groupsOf(clusters, { ...list, whole: false }, birth, said))
    }
    return groups.sort((a, b) => this.table.compare(a.first, b.first))
  }

  #perhapsOurs(found: Known['groups'], clusters: FinalClusters, said: Said, verdicts: Verdicts): Set<Group> {
    const unsure = new Set(
      [...said.unsure].flatMap(id => {
        const slot = this.table.index.get(id)
        return slot === undefined ? [] : [clusters.root(slot)]
      }),
    )
    const perhaps = new Set<Group>()
    for (const { first, group } of found) {
      if (group.said !== undefined) continue
      const root = clusters.root(first)
      if (
        clusters.label[root]! >= 0 ||
        unsure.has(root) ||
        verdicts.near.has(root) ||
        verdicts.open.has(first) ||
        verdicts.parts.has(first)
      )
        perhaps.add(group)
    }
    return perhaps
  }

  #groupsOf(
    clusters: FinalClusters,
    list: { said?: string; faces: readonly Placed[]; whole: boolean },
    birth: number | undefined,
    said: Said,
  ): Known['groups'] {
    const { table } = this
    const slots = list.faces.map(([slot]) => slot)
    const of = list.faces.map(([, root]) => clusters.clusters[root]!)
    const { sums } = clusters
    const scores = (): Float64Array =>
      Float64Array.from(slots, (slot, k) => (of[k]!.count < 2 ? 0 : faceScore(table, slot, sums(of[k]!), true)))
    const isConfirmed = (face: Face): boolean => list.said !== undefined && said.confirmed.get(face.id) === list.said
    const member = (slot: number, score: number): Member => {
      const face = table.faces[slot]!
      return { face, score, confirmed: isConfirmed(face) }
    }
    const named = list.said === undefined ? {} : { said: list.said }
    if (list.whole && birth === undefined && of[0]!.count === slots.length && !of[0]!.doubled) {
      const make = (): Member[] => {
        const score = scores()
        return slots.map((slot, k) => member(slot, score[k]!))
      }
      return [{ first: slots[0]!, group: lazily(named, make) }]
    }
    const score = scores()
    const confirmed = Uint8Array.from(slots, slot => (isConfirmed(table.faces[slot]!) ? 1 : 0))
    const early = Uint8Array.from(slots, (slot, k) => {
      const { takenAt } = table.faces[slot]!
      return birth !== undefined && takenAt !== undefined && takenAt < birth - DAY && !confirmed[k] ? 1 : 0
    })
    const beforeBirth = this.#beforeBirth(slots, early)
    const stays = early.map(isEarly => (isEarly && beforeBirth?.followed ? 0 : 1))
    this.#expelDoubles(slots, score, confirmed, stays)
    const kept = [...slots.keys()].filter(k => stays[k])
    const groups: { first: number; group: Group }[] = []
    if (kept.length)
      groups.push({
        first: slots[kept[0]!]!,
        group: {
          ...named,
          members: kept.map(k => member(slots[k]!, score[k]!)),
          ...(beforeBirth ? { beforeBirth } : {}),
        },
      })
    for (const [k, slot] of slots.entries())
      if (!stays[k]) groups.push({ first: slot, group: { members: [member(slot, 0)] } })
    return groups
  }

  /** The faces from before a birth date that nobody confirmed, if there are any. A date that would leave nothing of a child is not followed. */
  #beforeBirth(slots: readonly number[], early: Uint8Array): Group['beforeBirth'] {
    const faces = slots.filter((_, k) => early[k]).map(slot => this.table.faces[slot]!)
    if (faces.length === 0) return undefined
    return {
      mediaCount: new Set(faces.map(face => face.mediaId)).size,
      earliest: faces.reduce((first, { takenAt }) => Math.min(first, takenAt ?? Infinity), Infinity),
      followed: faces.length < slots.length,
    }
  }

  /** Of two faces of one person that one picture shows apart, the surer one stays; a parent's word keeps both. */
  #expelDoubles(slots: readonly number[], score: Float64Array, confirmed: Uint8Array, stays: Uint8Array): void {
    const { of } = this.#conflicts
    const place = this.#place
    for (let k = 0; k < slots.length; k++) place[slots[k]!] = k
    for (let k = 0; k < slots.length; k++) {
      const others = of[slots[k]!]!
      if (confirmed[k] || others.length === 0) continue
      for (const j of others) {
        const o = place[j] ?? -1
        if (slots[o] !== j || !stays[o]) continue
        if (confirmed[o] || score[o]! > score[k]! || (score[o] === score[k] && o < k)) {
          stays[k] = 0
          break
        }
      }
    }
  }
}

/** A face by slot, and the root of its cluster. */
type Placed = readonly [number, number]

const facesOf = (clusters: FinalClusters, roots: readonly number[]): Placed[] =>
  roots.flatMap(root => clusters.members(root).map(i => [i, root] as const))

/** Clusters of named children, face by face: to the child that a face is; what cannot be told is nobody's yet. */
function partedLists(
  clusters: FinalClusters,
  roots: readonly number[],
  people: readonly string[],
  verdicts: Verdicts,
): { said?: string; faces: Placed[] }[] {
  const byPerson = new Map<string, Placed[]>()
  const lists: { said?: string; faces: Placed[] }[] = []
  for (const root of roots) {
    const label = clusters.label[root]!
    const open: Placed[] = []
    const parts = new Map<string | number, Placed[]>()
    const told = new Set<string>()
    for (const i of clusters.members(root)) {
      const person = verdicts.person.get(i) ?? (verdicts.open.has(i) || label < 0 ? undefined : people[label]!)
      const part = verdicts.parts.get(i)
      if (person === undefined && part !== undefined) {
        const list = parts.get(part)
        if (list) list.push([i, root])
        else parts.set(part, [[i, root]])
        continue
      }
      if (person === undefined) {
        open.push([i, root])
        continue
      }
      told.add(person)
      const list = byPerson.get(person)
      if (list) list.push([i, root])
      else {
        const faces: Placed[] = [[i, root]]
        byPerson.set(person, faces)
        lists.push({ said: person, faces })
      }
    }
    for (const faces of parts.values()) lists.push({ faces })
    // They stay together only where nothing says that their cluster is of two people.
    if (told.size === 0 && label < 0 && open.length) lists.push({ faces: open })
    else for (const each of open) lists.push({ faces: [each] })
  }
  return lists
}

/** A face that was taken away from somebody must not pull its neighbours away from him; a poor one must not bridge two people. */
function wayOf(face: Face, words: FaceWords): number {
  if (words.nobody) return NOBODY
  return words.label < 0 && (words.rejected || !(face.quality > POOR_QUALITY)) ? WAITING : CLUSTERED
}

function sameWords(a: FaceWords, b: FaceWords): boolean {
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
