/**
 * Where to look in a picture: start and end rectangles of a slow zoom, steered to faces. Pure.
 * A face is either wholly inside a rectangle or wholly outside it; where that cannot be had by cropping, the whole picture is
 * shown on a panel over a blurred copy of itself.
 */

/** A rectangle in fractions of the upright picture, origin at its top left. */
export interface Rect {
  x: number
  y: number
  w: number
  h: number
}

/** A face with its importance; a registered child weighs more than a passer-by. */
export interface FramedFace extends Rect {
  weight: number
  /** When it is seen, for a face in a video; absent: throughout. Seconds. */
  ranges?: readonly { start: number; end: number }[]
}

/** A rectangle in whole pixels of the film. */
export interface PixelRect {
  x: number
  y: number
  width: number
  height: number
}

/** How one item is shown. `cover` fills the film; `panel` shows the whole picture over a blurred background. */
export interface Framing {
  fit: 'cover' | 'panel'
  panel: PixelRect
  start: Rect
  end: Rect
}

/** What to frame: the upright picture's size in pixels, its faces and the motion asked for. */
export interface FramingRequest {
  width: number
  height: number
  faces: readonly FramedFace[]
  zoom: 'in' | 'out' | 'none'
}

/** Cropping away more than half of a picture loses what it was taken for; below this share it goes on a panel. */
const MIN_VISIBLE = 0.5
/** A one-second slot moves gently: 6 % over the slot (immich-video-memory-generator uses 5 to 12 % over several seconds). */
const ZOOM = 1.06
/** Air around a face, as a share of its size, that is kept where possible. */
const FACE_MARGIN = 0.25
const EPSILON = 1e-9

const round6 = (v: number): number => Math.round(v * 1e6) / 1e6
const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), Math.max(low, high))

/** The face that must be seen: the largest weight times size; `undefined` where there is none. */
export function mainFace(faces: readonly FramedFace[]): FramedFace | undefined {
  return faces.reduce<FramedFace | undefined>((best, face) => {
    const value = (f: FramedFace): number => f.weight * Math.sqrt(f.w * f.h)
    return best === undefined || value(face) > value(best) ? face : best
  }, undefined)
}

/** Chooses fit, panel and rectangles for one item in a film of `film.width` x `film.height` pixels. */
export function frameItem(item: FramingRequest, film: { width: number; height: number }): Framing {
  const faces = item.faces.map(insidePicture).filter(f => f.w > 0 && f.h > 0)
  const ratio = film.width / film.height / (item.width / item.height)
  const visible = Math.min(ratio, 1 / ratio)
  const window = visible >= MIN_VISIBLE ? coverWindow(ratio, faces) : undefined
  const base: Rect = window ?? { x: 0, y: 0, w: 1, h: 1 }
  const shown = faces.filter(f => contains(base, f))
  const close = item.zoom === 'none' ? base : closeUp(base, shown)
  const [start, end] = item.zoom === 'out' ? [close, base] : [base, close]
  return {
    fit: window ? 'cover' : 'panel',
    panel: window ? { x: 0, y: 0, width: film.width, height: film.height } : panelOf(item, film),
    start: rounded(start),
    end: rounded(end),
  }
}

/** The rectangle shown after the share `u` (0..1) of the motion. */
export function rectAt(framing: Framing, u: number): Rect {
  const mix = (a: number, b: number): number => a + (b - a) * u
  const { start, end } = framing
  return { x: mix(start.x, end.x), y: mix(start.y, end.y), w: mix(start.w, end.w), h: mix(start.h, end.h) }
}

/** Whether `outer` holds all of `inner`, with a tolerance for rounding. */
export function contains(outer: Rect, inner: Rect, tolerance = EPSILON): boolean {
  return (
    inner.x >= outer.x - tolerance &&
    inner.y >= outer.y - tolerance &&
    inner.x + inner.w <= outer.x + outer.w + tolerance &&
    inner.y + inner.h <= outer.y + outer.h + tolerance
  )
}

function insidePicture(face: FramedFace): FramedFace {
  const x = clamp(face.x, 0, 1)
  const y = clamp(face.y, 0, 1)
  return { x, y, w: clamp(face.x + face.w, 0, 1) - x, h: clamp(face.y + face.h, 0, 1) - y, weight: face.weight }
}

function rounded(r: Rect): Rect {
  const x = round6(r.x)
  const y = round6(r.y)
  return { x, y, w: Math.min(round6(r.w), 1 - x), h: Math.min(round6(r.h), 1 - y) }
}

function panelOf(item: FramingRequest, film: { width: number; height: number }): PixelRect {
  const scale = Math.min(film.width / item.width, film.height / item.height)
  const even = (v: number, most: number): number => clamp(2 * Math.round(v / 2), 16, most)
  const width = even(item.width * scale, film.width)
  const height = even(item.height * scale, film.height)
  return { width, height, x: 2 * Math.floor((film.width - width) / 4), y: 2 * Math.floor((film.height - height) / 4) }
}

interface Span {
  from: number
  to: number
  weight: number
}

/** The largest window of the film's shape that cuts no face and holds the main one; `undefined` where there is none. */
function coverWindow(ratio: number, faces: readonly FramedFace[]): Rect | undefined {
  const horizontal = ratio < 1
  const length = Math.min(ratio, 1 / ratio)
  const main = mainFace(faces)
  const span = (f: FramedFace): Span =>
    horizontal ? { from: f.x, to: f.x + f.w, weight: f.weight } : { from: f.y, to: f.y + f.h, weight: f.weight }
  const spans = faces.map(span)
  const from = placeWindow(length, spans, main && span(main), horizontal ? 0.5 : 0.42)
  if (from === undefined) return undefined
  return horizontal ? { x: from, y: 0, w: length, h: 1 } : { x: 0, y: from, w: 1, h: length }
}

/** One-dimensional: where a window of `length` in 0..1 begins; faces lie at `rest` of it where they can. */
function placeWindow(length: number, spans: readonly Span[], main: Span | undefined, rest: number): number | undefined {
  const last = 1 - length
  if (!main) return last * 0.45
  const low = Math.min(...spans.map(s => s.from))
  const high = Math.max(...spans.map(s => s.to))
  const focus = high - low <= length ? (low + high) / 2 : (main.from + main.to) / 2
  const wanted = clamp(focus - rest * length, 0, last)
  const candidates = [wanted, 0, last]
  for (const s of spans) {
    const margin = (s.to - s.from) * FACE_MARGIN
    candidates.push(s.from, s.to - length, s.from - margin, s.to + margin - length, s.to, s.from - length)
  }
  let best: { at: number; cost: number[] } | undefined
  for (const candidate of candidates) {
    const at = clamp(candidate, 0, last)
    const end = at + length
    const holds = (s: Span, margin = 0): boolean => s.from - margin >= at - EPSILON && s.to + margin <= end + EPSILON
    const apart = (s: Span): boolean => s.to <= at + EPSILON || s.from >= end - EPSILON
    if (!holds(main) || spans.some(s => !holds(s) && !apart(s))) continue
    const seen = spans.reduce((sum, s) => sum + (holds(s) ? s.weight : 0), 0)
    const airless = spans.filter(s => holds(s) && !holds(s, (s.to - s.from) * FACE_MARGIN)).length
    const cost = [-seen, airless, Math.abs(at - wanted)]
    if (!best || lessThan(cost, best.cost)) best = { at, cost }
  }
  return best?.at
}

function lessThan(a: readonly number[], b: readonly number[]): boolean {
  for (const [i, v] of a.entries()) {
    const other = b[i] ?? 0
    if (Math.abs(v - other) > EPSILON) return v < other
  }
  return false
}

/** The nearer rectangle of the motion: inside `base`, of its shape, holding every face that `base` holds. */
function closeUp(base: Rect, faces: readonly FramedFace[]): Rect {
  const left = Math.min(...faces.map(f => f.x), 1)
  const top = Math.min(...faces.map(f => f.y), 1)
  const right = Math.max(...faces.map(f => f.x + f.w), 0)
  const bottom = Math.max(...faces.map(f => f.y + f.h), 0)
  const has = faces.length > 0
  const zoom = has ? Math.max(1, Math.min(ZOOM, base.w / (right - left), base.h / (bottom - top))) : ZOOM
  const w = base.w / zoom
  const h = base.h / zoom
  const centreX = has ? (left + right) / 2 : base.x + base.w / 2
  const centreY = has ? (top + bottom) / 2 : base.y + base.h / 2
  const place = (centre: number, size: number, low: number, high: number, from: number, to: number): number => {
    const inBase = clamp(centre - size / 2, low, high - size)
    return has ? clamp(inBase, Math.max(low, to - size), Math.min(high - size, from)) : inBase
  }
  return {
    x: place(centreX, w, base.x, base.x + base.w, left, right),
    y: place(centreY, h, base.y, base.y + base.h, top, bottom),
    w,
    h,
  }
}
