/** The share of the places that one family does not get, however much of it waits. A choice: an import loses little by it, and nobody stands behind one. */
const leftToOthers = 1 / 4

/**
 * How many of `limit` places at a gate (connections, turns, handlers of events) one family may hold at a time: all but a quarter, and all but one where there are
 * more than two, so that another family's photo finds a place at once. With one or two places a family that is alone gets all of them.
 */
export function familyShare(limit: number): number {
  return limit - Math.max(limit > 2 ? 1 : 0, Math.floor(limit * leftToOthers))
}
