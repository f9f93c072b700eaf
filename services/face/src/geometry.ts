/** A point in pixels of a picture (or in parts of it, where said so): x to the right, y down. */
export interface Point {
  x: number
  y: number
}

/** A rectangle in pixels; it may reach beyond the picture. */
export interface Box {
  x0: number
  y0: number
  x1: number
  y1: number
}

/** Maps target pixels to source pixels: `x' = a x + b y + c`, `y' = d x + e y + f`. */
export interface Affine {
  a: number
  b: number
  c: number
  d: number
  e: number
  f: number
}

export const widthOf = (box: Box): number => box.x1 - box.x0
export const heightOf = (box: Box): number => box.y1 - box.y0
export const centreOf = (box: Box): Point => ({ x: (box.x0 + box.x1) / 2, y: (box.y0 + box.y1) / 2 })
/** The longer side. */
export const sideOf = (box: Box): number => Math.max(widthOf(box), heightOf(box))
export const areaOf = (box: Box): number => Math.max(0, widthOf(box)) * Math.max(0, heightOf(box))
export const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y)

/** Area that two boxes share. */
export function overlap(a: Box, b: Box): number {
  return areaOf({
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  })
}

/** Shared area over joined area, 0 to 1. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const shared = overlap(a, b)
  return shared === 0 ? 0 : shared / (areaOf(a) + areaOf(b) - shared)
}

/** How much of the smaller box lies in the other, 0 to 1. */
export function containment(a: Box, b: Box): number {
  const smaller = Math.min(areaOf(a), areaOf(b))
  return smaller === 0 ? 0 : overlap(a, b) / smaller
}

/** The square with the same centre and the longer side. */
export function squared(box: Box): Box {
  const { x, y } = centreOf(box)
  const half = sideOf(box) / 2
  return { x0: x - half, y0: y - half, x1: x + half, y1: y + half }
}

/** The smallest box around points. */
export function boundsOf(points: readonly Point[]): Box {
  const xs = points.map(point => point.x)
  const ys = points.map(point => point.y)
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) }
}

/** The mean of points. */
export function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce((total, point) => ({ x: total.x + point.x, y: total.y + point.y }), { x: 0, y: 0 })
  return { x: sum.x / points.length, y: sum.y / points.length }
}

/** Where the affine map puts a point. */
export function apply({ a, b, c, d, e, f }: Affine, { x, y }: Point): Point {
  return { x: a * x + b * y + c, y: d * x + e * y + f }
}

/** A square crop of `size` pixels that shows `side` pixels of the source around `centre`, turned by `angle` radians. */
export function squareCrop(centre: Point, side: number, angle: number, size: number): Affine {
  const scale = side / size
  const cos = Math.cos(angle) * scale
  const sin = Math.sin(angle) * scale
  const middle = (size - 1) / 2
  return {
    a: cos,
    b: -sin,
    c: centre.x - cos * middle + sin * middle,
    d: sin,
    e: cos,
    f: centre.y - sin * middle - cos * middle,
  }
}
