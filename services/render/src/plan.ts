/** From chosen items to a storyboard. Pure: the same request gives the same storyboard, to the byte. */
import { createHash } from 'node:crypto'
import { bestSecond, type VideoFacts } from './best-second.js'
import { frameItem, type FramedFace } from './framing.js'
import { MOODS, type Mood } from './moods.js'
import { FPS, type FilmSize, type Picture, type Slot, type Storyboard, type TextLayer } from './storyboard.js'
import {
  altText,
  countText,
  dayOf,
  farewellText,
  monthText,
  periodText,
  stampText,
  type DatePrecision,
  type Day,
  type FilmLocale,
} from './words.js'

/** Fewer eligible items make no movie (FamilyAlbum's gate, help article 360038853413). */
export const MIN_ITEMS = 10
/** Fades of a 1s Movie, in frames: 0.2 s. */
const FADE_FRAMES = 6
const SLOT_BEATS = 2
const TITLE_BEATS = 4
const END_BEATS = 4
/** The last card goes to black over half a second. */
const FADE_OUT_FRAMES = 15
/** Part of every hash: raise it when the compositor or the encoder settings change what comes out. */
const RENDER_VERSION = 2
const MONTH_CARDS_FROM_DAYS = 31
/** With fewer items to a month the cards would be half of the film; the date stamps say enough then. */
const MONTH_CARD_ITEMS = 3

/** An item that the selection chose. */
export interface PlanItem {
  mediaId: string
  kind: 'photo' | 'video' | 'live'
  /** Local wall-clock time, ISO without offset. */
  takenAt: string
  precision: DatePrecision
  /** Pixels of the upright picture (only the ratio matters). */
  width: number
  height: number
  faces: readonly FramedFace[]
  /** 0..100 */
  rating: number
  reason: string
  /** Changes whenever the stored preview or playback changes. */
  tag: string
  /** Of a video, or of the clip of a live photo. A live photo without it is shown as its still. */
  video?: VideoFacts
}

/** What a movie is to be. */
export interface PlanRequest {
  items: readonly PlanItem[]
  /** First and last day of the period, ISO, both included. */
  from: string
  to: string
  title?: string
  people?: readonly string[]
  locale: FilmLocale
  mood: Mood
  /** Pixels; both even. */
  film: FilmSize
  music: boolean
  seed: number
}

/** A storyboard, or why there is none. */
export type PlanResult =
  | { status: 'planned'; storyboard: Storyboard }
  | { status: 'rejected'; code: 'TOO_FEW_ITEMS'; message: string; eligible: number }

/** How many items fit into so many seconds, cards taken off; at least the ten that a movie needs. */
export function itemsForSeconds(seconds: number, mood: Mood): number {
  const beats = (seconds * MOODS[mood].bpm) / 60
  return Math.max(MIN_ITEMS, Math.floor((beats - TITLE_BEATS - END_BEATS) / SLOT_BEATS))
}

/** The refusal for a choice of `eligible` items. */
export function tooFewItems(eligible: number): Extract<PlanResult, { status: 'rejected' }> {
  return {
    status: 'rejected',
    code: 'TOO_FEW_ITEMS',
    eligible,
    message: `A movie needs at least ${MIN_ITEMS} photos or videos that differ from each other; this period has ${eligible}.`,
  }
}

/** Lays the items out in order of time on the beat grid of the mood. */
export function planMovie(request: PlanRequest): PlanResult {
  if (request.items.length < MIN_ITEMS) return tooFewItems(request.items.length)
  const items = [...request.items].sort(byTime)
  const { film } = request
  const { from, to } = periodOf(request, items)
  const title = request.title?.trim() || periodText(from, to, request.locale)
  const best = items.reduce((a, b) => (b.rating > a.rating ? b : a))
  const drafts: Draft[] = [titleDraft(request, title, from, to, items, film)]
  const months = new Set(items.filter(dated).map(item => item.takenAt.slice(0, 7))).size
  const monthCards = daysBetween(from, to) > MONTH_CARDS_FROM_DAYS && items.length >= months * MONTH_CARD_ITEMS
  let month = ''
  let zoomIn = true
  for (const item of items) {
    const day = dayOf(item.takenAt)
    const thisMonth = monthText(day, request.locale)
    if (monthCards && thisMonth !== month && dated(item)) drafts.push(cardDraft('month', item, film, thisMonth))
    if (dated(item)) month = thisMonth
    const draft = itemDraft(item, request.locale, film, zoomIn, MOODS[request.mood].bpm)
    drafts.push(draft)
    if (draft.inS === undefined) zoomIn = !zoomIn
  }
  drafts.push(endDraft(request, items, film))
  const slots = onGrid(drafts, MOODS[request.mood].bpm, film)
  const bestSlot = slots.find(s => s.kind === 'item' && s.mediaId === best.mediaId) ?? slots[0]
  const last = slots.at(-1)
  const photos = items.filter(i => i.kind !== 'video').length
  const dates = items.filter(dated).map(i => dayOf(i.takenAt))
  return {
    status: 'planned',
    storyboard: {
      ...film,
      frames: last ? last.startFrame + last.frames : 0,
      title,
      locale: request.locale,
      mood: request.mood,
      bpm: MOODS[request.mood].bpm,
      seed: request.seed,
      music: request.music,
      slots,
      altText: altText({
        title,
        photos,
        videos: items.length - photos,
        from: dates[0] ?? from,
        to: dates.at(-1) ?? to,
        people: request.people ?? [],
        locale: request.locale,
      }),
      posterFrame: bestSlot ? bestSlot.startFrame + Math.floor(bestSlot.frames / 2) : 0,
    },
  }
}

/** A slot before it has its place on the grid. */
type Draft = Omit<Slot, 'startFrame' | 'frames' | 'tailFrames' | 'shows' | 'hash' | 'transition'> & { beats: number }

const byTime = (a: PlanItem, b: PlanItem): number =>
  a.takenAt < b.takenAt ? -1 : a.takenAt > b.takenAt ? 1 : a.mediaId < b.mediaId ? -1 : a.mediaId > b.mediaId ? 1 : 0

const dated = (item: PlanItem): boolean =>
  item.precision === 'time' || item.precision === 'day' || item.precision === 'month'

/**
 * The period that a film says it covers: the one asked for, but an end of it that only items with the date of their file reach is no end: the day of
 * a copy is no day of theirs. Where no item has a date of its own, the one asked for.
 */
function periodOf(request: PlanRequest, items: readonly PlanItem[]): { from: Day; to: Day } {
  const known = items.filter(item => item.precision !== 'unknown')
  const [first, last] = [known[0], known.at(-1)]
  return {
    from:
      first && first !== items[0]
        ? later(edgeOf(first, { month: 1, day: 1 }), dayOf(request.from))
        : dayOf(request.from),
    to:
      last && last !== items.at(-1)
        ? earlier(edgeOf(last, { month: 12, day: 31 }), dayOf(request.to))
        : dayOf(request.to),
  }
}

/** The day of an item; of its year that edge where no more is known. */
const edgeOf = (item: PlanItem, edge: Omit<Day, 'year'>): Day =>
  item.precision === 'year' ? { ...edge, year: dayOf(item.takenAt).year } : dayOf(item.takenAt)

const later = (a: Day, b: Day): Day => (daysBetween(a, b) > 1 ? b : a)
const earlier = (a: Day, b: Day): Day => (daysBetween(a, b) > 1 ? a : b)

function daysBetween(from: Day, to: Day): number {
  return (Date.UTC(to.year, to.month - 1, to.day) - Date.UTC(from.year, from.month - 1, from.day)) / 86_400_000 + 1
}

function titleDraft(request: PlanRequest, title: string, from: Day, to: Day, items: PlanItem[], film: FilmSize): Draft {
  const period = periodText(from, to, request.locale)
  const photos = items.filter(i => i.kind !== 'video')
  const still = photos.reduce<PlanItem | undefined>(
    (a, b) => (a === undefined || b.rating > a.rating ? b : a),
    undefined,
  )
  const lines = [{ text: title, size: 0.115 }]
  if (title !== period) lines.push({ text: period, size: 0.055 })
  return cardOn('title', still ?? first(items), film, lines, TITLE_BEATS)
}

function cardDraft(kind: 'month', item: PlanItem, film: FilmSize, text: string): Draft {
  return cardOn(kind, item, film, [{ text, size: 0.1 }], SLOT_BEATS)
}

function endDraft(request: PlanRequest, items: PlanItem[], film: FilmSize): Draft {
  const photos = items.filter(i => i.kind !== 'video').length
  const lines = [
    { text: farewellText(request.locale), size: 0.1 },
    { text: countText(photos, items.length - photos, request.locale), size: 0.05 },
  ]
  const card = cardOn('end', items.at(-1) ?? first(items), film, lines, END_BEATS)
  return { ...card, fadeOutFrames: FADE_OUT_FRAMES }
}

function cardOn(
  kind: 'title' | 'month' | 'end',
  item: PlanItem,
  film: FilmSize,
  lines: TextLayer['lines'],
  beats: number,
): Draft {
  return {
    kind,
    beats,
    picture: pictureOf(item, 'preview'),
    framing: frameItem({ width: film.width, height: film.height, faces: [], zoom: 'none' }, film),
    text: { place: 'card', lines },
    fadeOutFrames: 0,
    reason: '',
    label: lines[0]?.text ?? '',
  }
}

function itemDraft(item: PlanItem, locale: FilmLocale, film: FilmSize, zoomIn: boolean, bpm: number): Draft {
  const stamp = stampText(dayOf(item.takenAt), item.precision, locale)
  const slotS = (SLOT_BEATS * 60) / bpm
  const windowS = slotS + FADE_FRAMES / FPS
  // A clip that is shorter than its slot would end in a frozen picture: then the still, which moves slowly, is better.
  const clip = item.kind === 'live' && (item.video?.durationS ?? 0) >= windowS
  const moves = item.kind === 'video' || clip
  const second = moves && item.video ? bestSecond(item.video, windowS) : undefined
  const startS = second?.startS ?? 0
  const seen = (f: FramedFace): boolean => f.ranges?.some(r => r.start <= startS + slotS && r.end >= startS) ?? true
  const faces = item.faces.filter(seen).map(({ ranges: _ranges, ...face }) => face)
  return {
    kind: 'item',
    beats: SLOT_BEATS,
    mediaId: item.mediaId,
    picture: pictureOf(item, moves ? 'playback' : 'preview'),
    ...(moves ? { inS: startS } : {}),
    ...(clip ? { still: pictureOf(item, 'preview') } : {}),
    framing: frameItem({ ...item, faces, zoom: moves ? 'none' : zoomIn ? 'in' : 'out' }, film),
    ...(stamp ? { text: { place: 'stamp' as const, lines: [{ text: stamp, size: 0.042 }] } } : {}),
    fadeOutFrames: 0,
    reason: second ? `${item.reason}${item.reason ? ' · ' : ''}${second.reason}` : item.reason,
    label: stamp,
  }
}

function pictureOf(item: PlanItem, rendition: Picture['rendition']): Picture {
  return { mediaId: item.mediaId, rendition, tag: item.tag, width: item.width, height: item.height }
}

function first(items: readonly PlanItem[]): PlanItem {
  const [item] = items
  if (!item) throw new RangeError('a film needs an item')
  return item
}

/** Gives every draft its frames. Boundaries are rounded from exact beat times, so that no error adds up. */
function onGrid(drafts: readonly Draft[], bpm: number, film: FilmSize): Slot[] {
  const frameAt = (beat: number): number => Math.round((beat * 60 * FPS) / bpm)
  const slots: Slot[] = []
  let beat = 0
  let before: { look: unknown; shows: string } | undefined
  for (const [i, { beats, ...draft }] of drafts.entries()) {
    const startFrame = frameAt(beat)
    const frames = frameAt(beat + beats) - startFrame
    const tailFrames = i + 1 < drafts.length ? FADE_FRAMES : 0
    const transition = before ? { kind: 'fade' as const, frames: FADE_FRAMES } : { kind: 'cut' as const, frames: 0 }
    const { kind, picture, inS, framing, text, fadeOutFrames } = draft
    const look = { kind, picture, inS, framing, text, fadeOutFrames, frames, tailFrames }
    const hash = createHash('sha256')
      .update(
        JSON.stringify({ version: RENDER_VERSION, film, fps: FPS, look, transition, before: before?.look ?? null }),
      )
      .digest('hex')
    const shows = [...new Set([picture.mediaId, ...(before ? [before.shows] : [])])]
    slots.push({ ...draft, startFrame, frames, tailFrames, transition, shows, hash })
    before = { look, shows: picture.mediaId }
    beat += beats
  }
  return slots
}
