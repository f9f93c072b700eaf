/** What a moment is made from. */
export interface MomentItem {
  mediaId: string
  /** Capture time in epoch milliseconds. */
  at: number
  /** The time is known to the minute or better, and not only from the file. */
  exact: boolean
  latitude?: number
  longitude?: number
  /** City or country in words, empty where unknown. */
  place: string
}

/** Items close in time and place. */
export interface Moment {
  /** Id of its first item. */
  id: string
  /** Epoch milliseconds. */
  from: number
  to: number
  /** In order of time. */
  mediaIds: string[]
  /** Where most of it happened, in words. */
  place: string
}

const MINUTE = 60_000
/** A pause of so long ends a moment. */
const PAUSE = 90 * MINUTE
/** So far from one item to the next is another place, kilometres. */
const FAR = 5
/** Nothing that lasts longer is one moment: a long party has a morning and an evening. */
const LONGEST = 6 * 60 * MINUTE

/** Groups items into moments, in order of time. Items without an exact time form none. The order of the input does not matter. */
export function findMoments(items: readonly MomentItem[]): Moment[] {
  const ordered = items.filter(i => i.exact).sort((a, b) => a.at - b.at || (a.mediaId < b.mediaId ? -1 : 1))
  const moments: Moment[] = []
  let open: MomentItem[] = []
  let located: MomentItem | undefined
  const close = (): void => {
    const first = open[0]
    if (first)
      moments.push({
        id: first.mediaId,
        from: first.at,
        to: open.at(-1)!.at,
        mediaIds: open.map(i => i.mediaId),
        place: usual(open),
      })
    open = []
    located = undefined
  }
  for (const item of ordered) {
    const last = open.at(-1)
    if (last && (item.at - last.at > PAUSE || item.at - open[0]!.at > LONGEST || away(located, item))) close()
    open.push(item)
    if (item.latitude !== undefined && item.longitude !== undefined) located = item
  }
  close()
  return moments
}

function away(from: MomentItem | undefined, to: MomentItem): boolean {
  if (!from || to.latitude === undefined || to.longitude === undefined) return false
  return kilometres(from.latitude!, from.longitude!, to.latitude, to.longitude) > FAR
}

/** Distance on the sphere. */
export function kilometres(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const rad = Math.PI / 180
  const h =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2
  return 2 * 6371 * Math.asin(Math.min(1, Math.sqrt(h)))
}

function usual(items: readonly MomentItem[]): string {
  const counts = new Map<string, number>()
  for (const { place } of items) if (place) counts.set(place, (counts.get(place) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0]?.[0] ?? ''
}
