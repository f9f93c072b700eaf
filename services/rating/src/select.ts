import { sentence } from './reasons.js'

/** An item as the choice sees it. */
export interface Candidate {
  mediaId: string
  kind: 'photo' | 'video' | 'live'
  /** Capture time, epoch milliseconds. */
  at: number
  /** 0..100 */
  rating: number
  /** Id of the moment it belongs to; absent where its time is not exact. */
  momentId?: string
  /** Registered children in it. */
  childIds: readonly string[]
  personIds: readonly string[]
  /** Near duplicates share a group; absent for an item of its own. */
  duplicateGroup?: string
  /** Place in words; empty where unknown. */
  place: string
  /** less, never or empty. */
  blocked: string
  /** screenshot, document, receipt or empty. */
  mundane: string
  /** All who will see the product may see it. */
  visible: boolean
}

/** What is asked for. */
export interface Wanted {
  /** one-second, memory, prints, book, card, selection. */
  purpose: string
  count: number
  /** Epoch milliseconds; `from` is in, `to` is out; absent: open. */
  from?: number
  to?: number
  childId?: string
  /** Items that must be in, where nothing forbids it. */
  lock: readonly string[]
  /** Items that must not. */
  ban: readonly string[]
  /** Least share of videos to try for, 0..1. */
  videoShare: number
}

/** An item chosen or left out, with the reason in English and as key and parameters. */
export interface Pick {
  mediaId: string
  reason: string
  reasonKey: string
  reasonParams: Record<string, string>
  rating: number
  momentId: string
}

export interface Selection {
  /** In order of time. */
  items: Pick[]
  /** Worth knowing: what was asked for and could not be, and the best of what was left out. */
  rejected: Pick[]
  /** How many items nothing forbids. */
  eligible: number
}

/** Items of one moment, at most; more only where there are too few moments to fill the count. */
const PER_MOMENT: Record<string, number> = { 'one-second': 3, memory: 4, prints: 3, book: 6, card: 1, selection: 4 }

const DAY = 86_400_000

/** A slice of the period with so many items or fewer has few. */
const FEW = 3

/** Rejections that are told, at most. */
const NOTABLE = 40

/**
 * What variety is worth in points of the rating. Taken so that an item of the right time, child or kind is preferred to one about a
 * third of the spread between items (standard deviation about 15 points) better, and never to one of another class.
 */
const WORTH = { overTime: 12, sameMoment: 5, samePlace: 4, samePeople: 4, child: 18, video: 24 }

/**
 * Chooses items for any product: high ratings first, spread over the period, a share of videos, fair to each child, no near duplicates, at
 * most so many of a moment, variety of places and people; never anything blocked, mundane, banned or outside the audience. A pure function
 * of the set of candidates and the wish: their order does not matter.
 */
export function select(candidates: readonly Candidate[], wanted: Wanted): Selection {
  const ban = new Set(wanted.ban)
  const lock = new Set(wanted.lock)
  const eligible: Candidate[] = []
  const rejected: Pick[] = []
  const known = new Set<string>()
  for (const item of candidates) {
    known.add(item.mediaId)
    const why = forbids(item, wanted, ban, lock)
    if (why === undefined) eligible.push(item)
    else if (lock.has(item.mediaId) || ban.has(item.mediaId)) rejected.push(pick(item, why, { what: item.mundane }))
  }
  for (const id of lock)
    if (!known.has(id))
      rejected.push({
        mediaId: id,
        reason: sentence('not-known', {}),
        reasonKey: 'not-known',
        reasonParams: {},
        rating: 0,
        momentId: '',
      })
  eligible.sort(inTime)
  const choice = new Choice(eligible, wanted)
  for (const item of eligible) if (lock.has(item.mediaId)) choice.take(item, 'pick-locked')
  const open = choice.shortlist(eligible.filter(item => !lock.has(item.mediaId)))
  while (choice.items.length < wanted.count) {
    const best = choice.best(open)
    if (!best) break
    choice.take(best, choice.reasonFor(best))
  }
  rejected.push(...choice.leftOut(eligible))
  const order = new Map(eligible.map((item, i) => [item.mediaId, i]))
  return {
    items: choice.items.sort((a, b) => order.get(a.mediaId)! - order.get(b.mediaId)!),
    rejected: rejected
      .sort(
        (a, b) =>
          Number(lock.has(b.mediaId)) - Number(lock.has(a.mediaId)) ||
          b.rating - a.rating ||
          (a.mediaId < b.mediaId ? -1 : 1),
      )
      .slice(0, NOTABLE),
    eligible: eligible.length,
  }
}

const inTime = (a: Candidate, b: Candidate): number => a.at - b.at || (a.mediaId < b.mediaId ? -1 : 1)

/** The key of what forbids an item, or undefined. A lock lifts what is only a preference. */
function forbids(
  item: Candidate,
  wanted: Wanted,
  ban: ReadonlySet<string>,
  lock: ReadonlySet<string>,
): string | undefined {
  if (ban.has(item.mediaId)) return 'not-banned'
  if (item.blocked === 'never') return 'not-blocked'
  if (!item.visible) return 'not-audience'
  if (lock.has(item.mediaId)) return undefined
  if (item.mundane) return 'not-mundane'
  if ((wanted.from !== undefined && item.at < wanted.from) || (wanted.to !== undefined && item.at >= wanted.to))
    return 'not-period'
  if (wanted.childId !== undefined && !item.childIds.includes(wanted.childId)) return 'not-child'
  return undefined
}

/** What was chosen so far and what the next item would add. */
class Choice {
  readonly items: Pick[] = []
  readonly #chosen = new Set<string>()
  readonly #groups = new Set<string>()
  readonly #moments = new Map<string, number>()
  readonly #places = new Map<string, number>()
  readonly #people = new Map<string, number>()
  readonly #children = new Map<string, number>()
  readonly #slices: Int32Array
  readonly #quota: Float64Array
  readonly #held: Float64Array
  readonly #perMoment: number
  readonly #fair: ReadonlyMap<string, number>
  readonly #start: number
  readonly #span: number
  #videos = 0

  constructor(
    eligible: readonly Candidate[],
    readonly wanted: Wanted,
  ) {
    const count = Math.max(1, wanted.count)
    this.#start = eligible[0]?.at ?? 0
    this.#span = Math.max(1, (eligible.at(-1)?.at ?? 0) - this.#start + 1)
    // About three items per slice of the period, at most 24 slices, none shorter than a day.
    const slices = Math.max(1, Math.min(24, Math.round(count / 3), Math.ceil(this.#span / DAY)))
    this.#slices = new Int32Array(slices)
    const held = new Float64Array(slices)
    for (const item of eligible) held[this.#slice(item, slices)]!++
    // Busy times get more, but less than in proportion: a week of holidays is no year.
    const roots = held.map(n => n ** 0.4)
    const total = roots.reduce((a, b) => a + b, 0) || 1
    this.#quota = roots.map(r => Math.max(r > 0 ? 1 : 0, (count * r) / total))
    this.#held = held
    const moments = new Set(eligible.map(item => item.momentId ?? item.mediaId)).size
    this.#perMoment = Math.max(
      PER_MOMENT[wanted.purpose] ?? PER_MOMENT.selection!,
      Math.ceil(count / Math.max(1, moments)),
    )
    this.#fair = fairShares(eligible, wanted)
  }

  #slice(item: Candidate, slices = this.#slices.length): number {
    return Math.min(slices - 1, Math.floor(((item.at - this.#start) / this.#span) * slices))
  }

  /** Every item that could still be best: the best of each slice by rating, by child and by kind. A choice of 40 never looks at 100,000. */
  shortlist(open: readonly Candidate[]): Candidate[] {
    const keep = new Set<Candidate>()
    const lists = new Map<string, Candidate[]>()
    const put = (key: string, item: Candidate): void => {
      const list = lists.get(key)
      if (list) list.push(item)
      else lists.set(key, [item])
    }
    for (const item of open) {
      const slice = this.#slice(item)
      put(`${slice}`, item)
      if (item.kind === 'video') put(`${slice} video`, item)
      for (const child of item.childIds) put(`${slice} ${child}`, item)
    }
    const most = Math.max(64, this.wanted.count * 2)
    for (const list of lists.values()) {
      list.sort((a, b) => b.rating - a.rating || inTime(a, b))
      // At most two of one moment's worth of look-alikes in a row would starve the list: count moments, not items.
      const seen = new Map<string, number>()
      let kept = 0
      for (const item of list) {
        const moment = item.momentId ?? item.mediaId
        const n = seen.get(moment) ?? 0
        if (n >= this.#perMoment * 2) continue
        seen.set(moment, n + 1)
        keep.add(item)
        if (++kept >= most) break
      }
    }
    return [...keep].sort(inTime)
  }

  best(open: readonly Candidate[]): Candidate | undefined {
    let best: Candidate | undefined
    let most = -Infinity
    for (const item of open) {
      // No bonus lifts an item by more than this: most items need no closer look.
      if (item.rating + WORTH.child + WORTH.video <= most) continue
      if (this.refuses(item)) continue
      const gain = this.gain(item)
      if (gain > most) {
        most = gain
        best = item
      }
    }
    return best
  }

  /** The key of why an item cannot be added now, or undefined. */
  refuses(item: Candidate): string | undefined {
    if (this.#chosen.has(item.mediaId)) return 'chosen'
    if (item.duplicateGroup !== undefined && this.#groups.has(item.duplicateGroup)) return 'not-duplicate'
    if (item.momentId !== undefined && (this.#moments.get(item.momentId) ?? 0) >= this.#perMoment) return 'not-moment'
    return undefined
  }

  gain(item: Candidate): number {
    const n = Math.max(1, this.items.length)
    let gain = item.rating
    const slice = this.#slice(item)
    gain -= WORTH.overTime * Math.max(0, this.#slices[slice]! + 1 - this.#quota[slice]!)
    if (item.momentId !== undefined) gain -= WORTH.sameMoment * (this.#moments.get(item.momentId) ?? 0)
    if (item.place) gain -= (WORTH.samePlace * (this.#places.get(item.place) ?? 0)) / n
    if (item.personIds.length) gain -= (WORTH.samePeople * (this.#people.get(peopleKey(item)) ?? 0)) / n
    return gain + this.#childBonus(item) + this.#videoBonus(item)
  }

  /** An item of a child that was seen less than its fair share is worth more, one of a child seen more is worth less. */
  #childBonus(item: Candidate): number {
    let bonus = 0
    const n = this.items.length + 1
    for (const child of item.childIds) {
      const fair = this.#fair.get(child)
      if (fair === undefined) continue
      const missing = (fair * n - (this.#children.get(child) ?? 0)) / Math.max(1, fair * n)
      bonus += WORTH.child * Math.max(-1, Math.min(1, missing))
    }
    return item.childIds.length ? Math.min(WORTH.child, bonus / item.childIds.length) : 0
  }

  #videoBonus(item: Candidate): number {
    if (item.kind !== 'video') return 0
    const share = this.#videos / Math.max(1, this.items.length)
    const short = this.wanted.videoShare - share
    // Films of nothing but videos tire: beyond twice the share they have to be better than the photos.
    return short > 0
      ? WORTH.video * Math.min(1, short / Math.max(0.01, this.wanted.videoShare))
      : -WORTH.video * Math.max(0, share - 2 * this.wanted.videoShare)
  }

  /** Why this item is next, in one key. */
  reasonFor(item: Candidate): string {
    const slice = this.#slice(item)
    if (item.kind === 'video' && this.#videoBonus(item) > WORTH.video / 2) return 'pick-video'
    if (this.#fair.size > 1 && this.#childBonus(item) > WORTH.child / 2 && this.items.length > 0) return 'pick-child'
    if (this.#held[slice]! <= FEW) return 'pick-period'
    return 'pick-rating'
  }

  take(item: Candidate, key: string): void {
    this.items.push(pick(item, key))
    this.#chosen.add(item.mediaId)
    if (item.duplicateGroup !== undefined) this.#groups.add(item.duplicateGroup)
    if (item.momentId !== undefined) add(this.#moments, item.momentId)
    if (item.place) add(this.#places, item.place)
    if (item.personIds.length) add(this.#people, peopleKey(item))
    for (const child of item.childIds) add(this.#children, child)
    this.#slices[this.#slice(item)]!++
    if (item.kind === 'video') this.#videos++
  }

  /** The best of what was left out, with what kept each out. */
  leftOut(eligible: readonly Candidate[]): Pick[] {
    const worst = Math.min(Infinity, ...this.items.map(i => i.rating))
    return eligible
      .filter(item => !this.#chosen.has(item.mediaId))
      .sort((a, b) => b.rating - a.rating || inTime(a, b))
      .slice(0, NOTABLE)
      .map(item => pick(item, this.refuses(item) ?? (item.rating > worst ? 'not-balance' : 'not-rating')))
  }
}

/** Share of the choice that each child should have: the same for all, as far as a child has items. None is needed for one child. */
function fairShares(eligible: readonly Candidate[], wanted: Wanted): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of eligible) for (const child of item.childIds) add(counts, child)
  if (wanted.childId !== undefined || counts.size < 2) return new Map()
  return new Map([...counts].map(([child, n]) => [child, Math.min(n / Math.max(1, wanted.count), 1 / counts.size)]))
}

const peopleKey = (item: Candidate): string => [...item.personIds].sort().join(' ')
const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

function pick(item: Candidate, key: string, extra: Record<string, string> = {}): Pick {
  const reasonParams: Record<string, string> = { rating: String(Math.round(item.rating)) }
  for (const [name, value] of Object.entries(extra)) if (value) reasonParams[name] = value
  return {
    mediaId: item.mediaId,
    reason: sentence(key, reasonParams),
    reasonKey: key,
    reasonParams,
    rating: item.rating,
    momentId: item.momentId ?? '',
  }
}
