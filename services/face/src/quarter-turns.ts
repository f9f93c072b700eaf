import type { RgbImage } from '@keepsake/media'
import type { Box, Point } from './geometry.js'

/** How often a picture is turned by 90 degrees clockwise. */
export type QuarterTurns = 0 | 1 | 2 | 3

/** The picture turned clockwise. */
export function turned({ data, width, height }: RgbImage, turns: QuarterTurns): RgbImage {
  if (turns === 0) return { data, width, height }
  const [w, h] = turns === 2 ? [width, height] : [height, width]
  const out = new Uint8Array(data.length)
  // Where the first pixel of the result comes from, and how far its neighbours to the right and below lie from there, in pixels of the source.
  const start = [0, (height - 1) * width, height * width - 1, width - 1][turns] as number
  const across = [1, -width, -1, width][turns] as number
  const down = [width, 1, -width, -1][turns] as number
  let target = 0
  for (let y = 0; y < h; y++) {
    let source = (start + y * down) * 3
    for (let x = 0; x < w; x++, source += across * 3, target += 3) {
      out[target] = data[source] as number
      out[target + 1] = data[source + 1] as number
      out[target + 2] = data[source + 2] as number
    }
  }
  return { data: out, width: w, height: h }
}

/** A point of the turned picture as a point of the one before, whose size is given; 0 is the middle of the first pixel. */
export function pointBeforeTurn({ x, y }: Point, turns: QuarterTurns, { width, height }: Size): Point {
  switch (turns) {
    case 0:
      return { x, y }
    case 1:
      return { x: y, y: height - 1 - x }
    case 2:
      return { x: width - 1 - x, y: height - 1 - y }
    case 3:
      return { x: width - 1 - y, y: x }
  }
}

/** A box of the turned picture as a box of the one before, whose size is given; 0 is the edge of the first pixel. */
export function boxBeforeTurn({ x0, y0, x1, y1 }: Box, turns: QuarterTurns, { width, height }: Size): Box {
  switch (turns) {
    case 0:
      return { x0, y0, x1, y1 }
    case 1:
      return { x0: y0, y0: height - x1, x1: y1, y1: height - x0 }
    case 2:
      return { x0: width - x1, y0: height - y1, x1: width - x0, y1: height - y0 }
    case 3:
      return { x0: width - y1, y0: x0, x1: width - y0, y1: x1 }
  }
}

/** By how much a face leans in the picture before, degrees from -180 to 180, that leans by `roll` in the turned one. */
export function rollBeforeTurn(roll: number, turns: QuarterTurns): number {
  const before = roll - turns * 90
  return before <= -180 ? before + 360 : before
}

/** Pixels of a picture. */
export interface Size {
  width: number
  height: number
}
