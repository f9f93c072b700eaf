import type { Group, Partition } from './partition.js'
import type { PersonView } from './people.js'
import { confidenceOf } from './score.js'

/** "Hana or Yui?": a face about which a parent's word would help most. Its id is the face's: one question per face. */
export interface Question {
  id: string
  faceId: string
  mediaId: string
  /** Most likely first; confidence 0..1. */
  candidates: { personId: string; confidence: number }[]
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
  const found: { question: Question; weight: number }[] = []
  groups.forEach((group, g) => {
    const view = people[g]!
    if (view.touched || view.hidden) return
    const index = group.members.map(m => memory.table.index.get(m.face.id)!)
    const roots = [...new Set(index.map(i => clusters.root(i)))]
    // A face that was put out of a person's cluster (seen twice in a picture, before birth) is no cluster of its own.
    if (roots.length !== 1 || clusters.count[roots[0]!] !== group.members.length) return
    if (group.members.some(m => said.unsure.has(m.face.id))) return
    const root = roots[0]!
    const candidates = targets
      .filter(t => t.g !== g && t.view.faceCount > view.faceCount)
      .map(t => ({ personId: ids[t.g]!, score: Math.max(...t.roots.map(r => probe(partition, root, r))) }))
      .filter(c => c.score >= -BAND)
      .sort((a, b) => b.score - a.score || (a.personId < b.personId ? -1 : 1))
      .slice(0, 3)
    if (candidates.length === 0) return
    found.push({ question: ask(group, candidates), weight: group.members.length + confidenceOf(candidates[0]!.score) })
  })
  // Faces inside a person that fit another almost as well.
  const close = targets.filter(t => t.view.faceCount >= 2)
  for (const target of close) {
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
      found.push({ question: ask({ members: [member] }, candidates), weight: 0.5 })
    }
  }
  found.sort((a, b) => b.weight - a.weight || (a.question.faceId < b.question.faceId ? -1 : 1))
  return found.slice(0, QUESTIONS).map(f => f.question)
}

/** Score of joining two clusters; out of the question where the ledger forbids it or pictures show both. */
function probe(partition: Partition, a: number, b: number): number {
  const { clusters } = partition
  if (a === b || !clusters.allowed(a, b) || clusters.conflictShare(a, b) > 0) return -Infinity
  return clusters.average(a, b)
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

function ask(group: Group, candidates: readonly { personId: string; score: number }[]): Question {
  const best = group.members.reduce((p, q) => (q.face.quality > p.face.quality ? q : p))
  return {
    id: best.face.id,
    faceId: best.face.id,
    mediaId: best.face.mediaId,
    candidates: candidates.map(c => ({ personId: c.personId, confidence: confidenceOf(c.score) })),
    alike: group.members.filter(m => m !== best).map(m => m.face.id),
  }
}
