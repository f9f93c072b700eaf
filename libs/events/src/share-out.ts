/** A member of a group and the partition numbers it works on. */
export interface Member {
  readonly id: string
  readonly holds: readonly number[]
}

/**
 * Shares partition numbers out so that nobody has more than one above another, and moves as few as that needs. Depends on nothing but its
 * arguments: whichever member decides, decides the same.
 */
export function shareOut(members: readonly Member[], partitions: number): Map<string, number[]> {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
  const shares = new Map<string, number[]>(sorted.map(member => [member.id, []]))
  if (sorted.length === 0) return shares
  const least = Math.floor(partitions / sorted.length)
  let larger = partitions % sorted.length
  const free = new Set(Array.from({ length: partitions }, (_, i) => i))
  // Whoever holds more keeps more: the larger shares go to those who can keep one.
  const byHolding = [...sorted].sort((a, b) => b.holds.length - a.holds.length || (a.id < b.id ? -1 : 1))
  for (const { id, holds } of byHolding) {
    const mine = [...new Set(holds)].filter(partition => free.has(partition)).sort((a, b) => a - b)
    const quota = mine.length > least && larger > 0 ? least + 1 : least
    if (quota > least) larger--
    for (const partition of mine.slice(0, quota)) {
      free.delete(partition)
      shares.get(id)?.push(partition)
    }
  }
  for (const partition of free) {
    let taker = sorted[0]?.id ?? ''
    for (const { id } of sorted) if ((shares.get(id)?.length ?? 0) < (shares.get(taker)?.length ?? 0)) taker = id
    shares.get(taker)?.push(partition)
  }
  return shares
}
