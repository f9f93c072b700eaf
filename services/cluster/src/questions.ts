import type { Face } from './face.js'
import type { Group, Partition } from './partition.js'
import type { PersonView } from './people.js'
import { confidenceOf } from './score.js'
import { YEAR } from './year.js'

/** "Hana or Yui?": a face about which a parent's word would help most. Its id is the face's: one question per face. */
export interface Question {
  id: string
  faceId: string
  mediaId: string
  /** Most likely first; confidence 0..1; the face is a clear one of that person, of about the same time, to compare with. */
  candidates: { personId: string; confidence: number; faceId: string }[]
  /** The other faces that stand together with it. */
  alike: string[]
}

/** How far under the threshold a face still may be somebody; strangers are there in one pair of fifty, a person's worst pictures too. */
const BAND = 0.5
/** Two people this close to each other for one face are a question even above the threshold. */
const MARGIN = 0.15
/** Faces from which an unnamed person is worth asking about. */
const FREQUENT = 5
/** Asked at once, at most: a parent answers a few, not a hundred. */
export const QUESTIONS = 20
/**
 * A cluster that scores this against a named child as it looked then is that child as often as not, and how quickly that changes with the score:
 * simulated families of other seeds than the bench draws (children's own above -0.8, strangers' below but for one in twenty).
 */
const EVEN = -0.75
const STEEP = 6
/** Faces that an answer is expected to settle, from which it is worth a question. */
const WORTH = 0.4
/** Worth of a word about people without a name, against one about a named child. */
const UNNAMED = 0.2
/** Accuracy of telling look-alikes apart under which an answer teaches as much as it settles. */
const LEARNING = 0.9

/** People worth asking about, at most: named first, then by frequency. */
const TARGETS = 60

/** The most useful questions of a partition, best first. `ids` and `people` belong to its groups. */
export function questionsOf(partition: Partition, ids: readonly string[], people: readonly PersonView[]): Question[] {
  const { groups, clusters, said, memory } = partition
  const rootsOf = (group: Group): number[] => [
    ...new Set(group.members.map(m => clusters.root(memory.table.index.get(m.face.id)!))),
  ]
  const targets = groups
    .map((group, g) => ({ group, g, view: people[g]! }))
    .filter(t => !t.view.hidden && (t.view.touched || t.view.faceCount >= FREQUENT))
    .sort((a, b) => Number(b.view.touched) - Number(a.view.touched) || b.view.faceCount - a.view.faceCount || a.g - b.g)
    .slice(0, TARGETS)
    .map(t => ({ ...t, roots: rootsOf(t.group) }))
  const found = [...aboutChildren(partition, ids, people)]
  const asked = new Set(found.map(f => f.question.faceId))
  groups.forEach((group, g) => {
    const view = people[g]!
    if (view.touched || view.hidden) return
    const index = group.members.map(m => memory.table.index.get(m.face.id)!)
    const roots = [...new Set(index.map(i => clusters.root(i)))]
    // A face that was put out of a person's cluster (seen twice in a picture, before birth) is no cluster of its own.
    if (roots.length !== 1 || clusters.count[roots[0]!] !== group.members.length) return
    if (group.members.some(m => said.unsure.has(m.face.id))) return
    const root = roots[0]!
    if (partition.verdicts.near.has(root) || group.members.some(m => asked.has(m.face.id))) return
    const candidates = targets
      .filter(t => t.g !== g && t.view.faceCount > view.faceCount)
      .map(t => ({ personId: ids[t.g]!, score: Math.max(...t.roots.map(r => probe(partition, root, r))) }))
      .filter(c => c.score >= -BAND)
      .sort((a, b) => b.score - a.score || (a.personId < b.personId ? -1 : 1))
      .slice(0, 3)
    if (candidates.length === 0) return
    const weight = UNNAMED * (group.members.length * confidenceOf(candidates[0]!.score) + 1)
    found.push({ question: ask(group, sure(candidates), reference(partition, ids)), weight })
  })
  // Faces inside a person that fit another almost as well.
  const close = targets.filter(t => t.view.faceCount >= 2)
  const told = new Set(partition.verdicts.groups.flatMap(set => set.people))
  for (const target of close) {
    if (told.has(ids[target.g]!)) continue
    const rivals = close.filter(
      t => t !== target && ((t.view.touched && target.view.touched) || near(partition, target.roots, t.roots)),
    )
    if (rivals.length === 0) continue
    for (const member of target.group.members) {
      if (member.confirmed || said.unsure.has(member.face.id) || member.score > 1) continue
      const i = memory.table.index.get(member.face.id)!
      const all = rivals
        .map(r => ({ personId: ids[r.g]!, score: Math.max(...r.roots.map(root => probeFace(partition, i, root))) }))
        .filter(c => c.score >= member.score - MARGIN && c.score >= -BAND)
      if (all.length === 0) continue
      const candidates = [{ personId: ids[target.g]!, score: member.score }, ...all]
        .sort((a, b) => b.score - a.score || (a.personId < b.personId ? -1 : 1))
        .slice(0, 3)
      found.push({
        question: ask({ members: [member] }, sure(candidates), reference(partition, ids)),
        weight: 0.5 * UNNAMED,
      })
    }
  }
  found.sort((a, b) => b.weight - a.weight || (a.question.faceId < b.question.faceId ? -1 : 1))
  return found.slice(0, QUESTIONS).map(f => f.question)
}

/** Score of joining two clusters; out of the question where the ledger forbids it or pictures show both. */
function probe(partition: Partition, a: number, b: number): number {
  const { clusters } = partition
  if (a === b || !clusters.allowed(a, b)) return -Infinity
  const score = clusters.average(a, b)
  // Going through pictures costs more than the score, which rules out nearly all pairs.
  return score >= -BAND && clusters.conflictShare(a, b) > 0 ? -Infinity : score
}

/** Score of one face with a cluster that it is not in. */
function probeFace(partition: Partition, i: number, root: number): number {
  const { clusters, said, memory, conflicts } = partition
  const label = clusters.label[root]!
  if (label >= 0 && clusters.demands.not.get(i)?.has(label)) return -Infinity
  if (conflicts[i]!.some(j => clusters.root(j) === root)) return -Infinity
  if (said.confirmed.has(memory.table.faces[i]!.id)) return -Infinity
  return clusters.faceAverage(i, root)
}

/** Whether two people are alike enough that single faces may be doubtful. */
function near(partition: Partition, a: readonly number[], b: readonly number[]): boolean {
  return a.some(x => b.some(y => partition.clusters.average(x, y) > -1))
}

const sure = (candidates: readonly { personId: string; score: number }[]): Likely[] =>
  candidates.map(c => ({ personId: c.personId, confidence: confidenceOf(c.score) }))

/** A person a face may be, with a probability. */
interface Likely {
  personId: string
  confidence: number
}

/** Clusters that may be a named child at another age, and faces of look-alikes that cannot be told: by how many faces an answer settles. */
function* aboutChildren(
  partition: Partition,
  ids: readonly string[],
  people: readonly PersonView[],
): Generator<{ question: Question; weight: number }> {
  const { groups, clusters, said, memory, verdicts } = partition
  const of = reference(partition, ids)
  for (const [g, group] of groups.entries()) {
    if (people[g]!.hidden || group.said !== undefined) continue
    if (group.members.some(m => said.unsure.has(m.face.id) || m.confirmed)) continue
    const slots = group.members.map(m => memory.table.index.get(m.face.id)!)
    const open = slots.length === 1 ? verdicts.open.get(slots[0]!) : undefined
    if (open) {
      const set = verdicts.groups.find(each => each.people.includes(open[0]!.person))!
      const doubt = -open.reduce((s, c) => s + c.probability * Math.log2(Math.max(1e-9, c.probability)), 0)
      // Where the discriminator is poor, a word about a clear face makes it better; where nothing can, it settles this face alone.
      const teaches = (set.accuracy ?? 0) < LEARNING ? 1 + Math.min(1, set.open / 40) : 1
      const candidates = open.slice(0, 3).map(c => ({ personId: c.person, confidence: c.probability }))
      yield {
        question: ask(group, candidates, of),
        weight: doubt * teaches * (0.5 + 0.5 * group.members[0]!.face.quality),
      }
      continue
    }
    const near = verdicts.near.get(clusters.root(slots[0]!))
    if (!near) continue
    const chances = near.map(n => ({ personId: n.person, chance: 1 / (1 + Math.exp(-STEEP * (n.score - EVEN))) }))
    const best = Math.max(...chances.map(c => c.chance))
    const sum = chances.reduce((s, c) => s + c.chance, 0)
    const weight = best * group.members.length
    if (weight < WORTH) continue
    const candidates = chances.slice(0, 3).map(c => ({ personId: c.personId, confidence: (best * c.chance) / sum }))
    yield { question: ask(group, candidates, of), weight }
  }
}

/** Years between two pictures that count like a tenth of quality when a face to compare with is chosen. */
const YEARS_APART = 0.05

/** Finds the face of a person to show beside a face: clear, surely this person, and of about the same time. */
function reference(partition: Partition, ids: readonly string[]): (person: string, beside: Face) => string {
  const groupOf = new Map(ids.map((id, g) => [id, partition.groups[g]!]))
  return (person, beside) => {
    let best: { id: string; worth: number } | undefined
    for (const { face, confirmed, score } of groupOf.get(person)?.members ?? []) {
      const apart =
        face.takenAt === undefined || beside.takenAt === undefined ? 5 : Math.abs(face.takenAt - beside.takenAt) / YEAR
      const worth =
        face.quality +
        (confirmed ? 0.3 : 0) +
        0.1 * Math.max(-1, Math.min(1, score)) -
        YEARS_APART * Math.min(10, apart)
      if (!best || worth > best.worth) best = { id: face.id, worth }
    }
    return best?.id ?? ''
  }
}

function ask(
  group: Pick<Group, 'members'>,
  candidates: readonly Likely[],
  of: (person: string, beside: Face) => string,
): Question {
  const best = group.members.reduce((p, q) => (q.face.quality > p.face.quality ? q : p))
  return {
    id: best.face.id,
    faceId: best.face.id,
    mediaId: best.face.mediaId,
    candidates: candidates.map(c => ({ ...c, faceId: of(c.personId, best.face) })),
    alike: group.members.filter(m => m !== best).map(m => m.face.id),
  }
}
