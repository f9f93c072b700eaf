/** Children that could begin a job now, or be started for one. */
export interface FreeChildren {
  /** Of those that work for anybody. */
  readonly regular: number
  /** Of those kept for a family that would else wait behind another one. */
  readonly guest: number
}

/** Which job begins next. */
export interface NextJob {
  /** Its place in the queue. */
  readonly index: number
  /** In a child kept for guests. */
  readonly guest: boolean
}

/**
 * The job that begins next, or undefined while none may: families with the fewest jobs under way first, in the order of their coming. A job cannot be interrupted,
 * so where every regular child is at work, a family that has none under way need not wait until one of theirs is done: it gets a guest's child, if one is free.
 * @param queue whose jobs wait, in the order of their coming; undefined: nobody's in particular
 * @param running whose jobs are under way
 */
export function nextJob(
  queue: readonly (string | undefined)[],
  running: readonly (string | undefined)[],
  free: FreeChildren,
): NextJob | undefined {
  const underWay = (family: string | undefined) => running.filter(other => other === family).length
  let index = -1
  let fewest = Infinity
  for (const [at, family] of queue.entries()) {
    const count = underWay(family)
    if (count >= fewest) continue
    index = at
    fewest = count
    if (count === 0) break
  }
  if (index < 0) return undefined
  if (free.regular > 0) return { index, guest: false }
  const isGuest = fewest === 0 && queue[index] !== undefined && running.length > 0 && free.guest > 0
  return isGuest ? { index, guest: true } : undefined
}
