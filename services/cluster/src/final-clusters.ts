import type { Cluster, Family } from './agglomerate.js'
import { Joining, byFirst } from './agglomerate.js'
import type { Sums } from './sums.js'
import { faceScore } from './sums.js'

/**
 * The clusters that a run ends with, and what questions ask of them. A root is the place of a cluster in `clusters`. Good until the family's
 * next run.
 */
export class FinalClusters {
  readonly clusters: readonly Cluster[]
  readonly count: Int32Array
  /** Number of the person that the ledger says a cluster is, -1 for none. */
  readonly label: Int32Array
  readonly demands: { readonly not: ReadonlyMap<number, ReadonlySet<number>> }
  readonly #joining: Joining

  constructor(
    readonly family: Family,
    clusters: readonly Cluster[],
  ) {
    this.clusters = [...clusters].sort(byFirst(family.table))
    this.#joining = new Joining(family, this.clusters)
    this.count = Int32Array.from(this.clusters, cluster => cluster.count)
    this.label = this.#joining.label
    this.demands = family.words
  }

  /** Root of a face by slot. */
  root(slot: number): number {
    return this.#joining.placeOf(slot)
  }

  /** Sums of one of the clusters. Does not change with later runs. */
  readonly sums = (cluster: Cluster): Sums => cluster.sums(this.family.table)

  /** Slots of the faces of a cluster. */
  members(root: number): readonly number[] {
    return this.clusters[root]!.slots
  }

  /** Weighted average of the scores of all pairs between two clusters, without what the pictures say. */
  average(a: number, b: number): number {
    return this.#joining.average(a, b)
  }

  /** Weighted average of the scores of one face with the other faces of its cluster. */
  averageToOthers(slot: number, root: number): number {
    return faceScore(this.family.table, slot, this.#joining.sums(root), true)
  }

  /** Weighted average of the scores of one face with the faces of a cluster that it is not in. */
  faceAverage(slot: number, root: number): number {
    return faceScore(this.family.table, slot, this.#joining.sums(root), false)
  }

  /** Whether the ledger allows the two to be one. */
  allowed(a: number, b: number): boolean {
    return this.#joining.allowed(a, b)
  }

  /** Pictures in which both clusters are seen as two people, as a share of the smaller cluster. */
  conflictShare(a: number, b: number): number {
    return this.#joining.conflictShare(a, b)
  }
}
