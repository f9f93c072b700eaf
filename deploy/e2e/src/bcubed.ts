/** One labelled face: the truth, and the cluster it was put into (undefined: missed, so alone). */
export interface Labelled {
  person: string
  cluster: string | undefined
}

/**
 * BCubed precision, recall and F (Bagga and Baldwin 1998): for each item the share of its cluster that is the same person, and the share
 * of its person that is in its cluster; means over items; F is their harmonic mean.
 */
export function bcubed(items: Labelled[]): { precision: number; recall: number; f: number } {
  let precision = 0
  let recall = 0
  for (const item of items) {
    const cluster = item.cluster === undefined ? [item] : items.filter(other => other.cluster === item.cluster)
    const both = cluster.filter(other => other.person === item.person).length
    precision += both / cluster.length
    recall += both / items.filter(other => other.person === item.person).length
  }
  const p = precision / items.length
  const r = recall / items.length
  return { precision: p, recall: r, f: (2 * p * r) / (p + r) }
}
