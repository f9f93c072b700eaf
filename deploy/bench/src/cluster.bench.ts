import { loadAgeGroupMeans } from '@keepsake/cluster/age-groups'
import type { LedgerEntry } from '@keepsake/cluster/ledger'
import { partition, type Group, type Partition } from '@keepsake/cluster/partition'
import { bcubed, syntheticFaces, type SyntheticFace } from '@keepsake/cluster/synthetic'

/** What this bench is called on the command line. */
export const name = 'cluster'

const people = 200
const more = 100
/** Batches of new faces, and corrections; the median counts. The first ones are slower: the machine code is made while they run. */
const batches = 15
/** Most seconds of processor time, on one core. */
const targets = { small: 2, large: 60, more: 0.05, correction: 0.5 }

/**
 * Sorting 10,000 and 100,000 faces of one family from nothing, 100 more on top of 100,000, and a parent's corrections there: seconds of
 * processor time, and whether the result is that of sorting all from nothing, to the digit. False where a target is missed.
 */
export function run(): Promise<boolean> {
  const means = loadAgeGroupMeans()
  const all = syntheticFaces({ faces: 100_000 + batches * more, people, seed: 1 })
  const small = [1, 2, 3].map(() => timed(() => partition({ faces: all.slice(0, 10_000), ledger: [], means })))
  const smallSeconds = median(small.map(s => s.seconds))
  tell('10,000 faces from nothing', smallSeconds, targets.small, quality(small[0]!.result, all))

  const large = timed(() => partition({ faces: all.slice(0, 100_000), ledger: [], means }))
  tell('100,000 faces from nothing', large.seconds, targets.large, quality(large.result, all))
  console.log(`   grows by ${(large.seconds / smallSeconds).toFixed(1)} for 10 times the faces`)

  const { memory } = large.result
  const added = Array.from({ length: batches }, (_, batch) => {
    const from = 100_000 + batch * more
    return timed(() => memory.run({ added: all.slice(from, from + more), gone: [], ledger: [] }))
  })
  const moreSeconds = median(added.map(a => a.seconds))
  const last = added.at(-1)!.result
  const whole = partition({ faces: all, ledger: [], means })
  const equal = digits(last) === digits(whole)
  tell(`100 more, median of ${batches}`, moreSeconds, targets.more, `the same as from nothing: ${equal ? 'yes' : 'NO'}`)

  const ledger: LedgerEntry[] = []
  let now = last
  const corrections = Array.from({ length: batches }, (_, k) => {
    ledger.push(correction(k, now.groups))
    const { result, seconds } = timed(() => memory.run({ added: [], gone: [], ledger }))
    now = result
    return seconds
  })
  const corrected = digits(now) === digits(partition({ faces: all, ledger, means }))
  const correctionSeconds = median(corrections)
  tell(
    `a correction, median of ${batches}, worst ${Math.max(...corrections).toFixed(2)} s`,
    correctionSeconds,
    targets.correction,
    `the same as from nothing: ${corrected ? 'yes' : 'NO'}`,
  )
  return Promise.resolve(
    smallSeconds < targets.small &&
      large.seconds < targets.large &&
      moreSeconds < targets.more &&
      correctionSeconds < targets.correction &&
      equal &&
      corrected,
  )
}

/** Names, merges, confirmations and rejections in turn, of the people with most faces. */
function correction(k: number, groups: readonly Group[]): LedgerEntry {
  const largest = [...groups].sort((a, b) => b.members.length - a.members.length)
  const person = (at: number) => {
    const { said, members } = largest[at]!
    const step = Math.ceil(members.length / 24)
    return {
      personId: said ?? `person-${members[0]!.face.id}`,
      anchors: members.filter((_, i) => i % step === 0).map(m => m.face.id),
    }
  }
  const entry = { id: `c${k}`, sequence: k, undone: false }
  const faceId = largest[k]!.members.at(-1)!.face.id
  switch (k % 4) {
    case 0:
      return { ...entry, kind: 'name', person: person(k), name: `name ${k}` }
    case 1:
      return { ...entry, kind: 'merge', person: person(k + 20), into: person(k) }
    case 2:
      return { ...entry, kind: 'confirm', person: person(k + 1), faceId }
    default:
      return { ...entry, kind: 'reject', person: person(k), faceId }
  }
}

function tell(what: string, seconds: number, target: number, also: string): void {
  const figure = seconds < 1 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(1)} s`
  console.log(`   ${what}: ${figure} of processor time, ${(seconds / target).toFixed(2)} of the target; ${also}`)
}

function quality(result: Partition, faces: readonly SyntheticFace[]): string {
  const truth = new Map(faces.map(face => [face.id, face.truth]))
  const labels = result.groups.flatMap((group, g) => group.members.map(m => [truth.get(m.face.id)!, g] as const))
  const { f } = bcubed(
    labels.map(([t]) => t),
    labels.map(([, g]) => g),
  )
  return `${new Set(labels.map(([t]) => t)).size} people as ${result.groups.length}, BCubed F ${f.toFixed(3)}`
}

function timed<T>(work: () => T): { result: T; seconds: number } {
  const before = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(before)
  return { result, seconds: (user + system) / 1e6 }
}

function median(of: readonly number[]): number {
  return [...of].sort((a, b) => a - b)[of.length >> 1]!
}

const digits = (p: Partition): string =>
  JSON.stringify(p.groups.map(g => [g.said, ...g.members.map(m => [m.face.id, m.score])]))
