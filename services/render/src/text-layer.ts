/** Cards and stamps as pictures with transparency. Needs no font of the machine: see glyphs.ts. */
import sharp from 'sharp'
import { Glyphs } from './glyphs.js'
import type { TextLayer } from './storyboard.js'

/** Straight-alpha RGBA pixels and where they lie in the film; all four numbers are even. */
export interface TextPicture {
  rgba: Buffer
  x: number
  y: number
  width: number
  height: number
}

/** Text stays inside 90 % of the picture (title-safe area). */
const SAFE = 0.9
const STAMP_INSET = 0.06
const LINE_GAP = 0.55

/** Draws a layer for a film of the given size; `undefined` where there is nothing to draw. */
export async function drawText(
  layer: TextLayer,
  film: { width: number; height: number },
  glyphs: Glyphs,
): Promise<TextPicture | undefined> {
  const side = Math.min(film.width, film.height)
  const most = film.width * (layer.place === 'card' ? SAFE : SAFE - STAMP_INSET)
  const lines = layer.lines.map(({ text, size }) => {
    const wanted = glyphs.line(text, size * side)
    return wanted.width > most ? glyphs.line(text, (size * side * most) / wanted.width) : wanted
  })
  const widest = Math.max(0, ...lines.map(l => l.width))
  if (widest === 0) return undefined
  const blur = Math.max(2, side / 180)
  const pad = Math.ceil(blur * 4)
  const gap = (lines[1]?.ascent ?? 0) * LINE_GAP
  const textHeight = lines.reduce((sum, l) => sum + l.ascent + l.descent, 0) + gap * (lines.length - 1)
  const even = (v: number): number => 2 * Math.round(v / 2)
  const width = Math.min(film.width, even(widest + 2 * pad))
  const height = Math.min(film.height, even(textHeight + 2 * pad))
  const card = layer.place === 'card'
  const x = card ? even((film.width - width) / 2) : even(Math.max(0, film.width * STAMP_INSET - pad))
  const y = card
    ? even((film.height - height) / 2)
    : even(Math.min(film.height * (1 - STAMP_INSET) - textHeight - pad, film.height - height))
  let baseline = pad
  const paths = lines.map((line, i) => {
    baseline += line.ascent + (i > 0 ? gap : 0)
    const left = card ? (width - line.width) / 2 : pad
    const out = `<path transform="translate(${left.toFixed(2)} ${baseline.toFixed(2)})" d="${line.path}"/>`
    baseline += line.descent
    return out
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <defs><filter id="s" x="-20%" y="-40%" width="140%" height="180%"><feGaussianBlur stdDeviation="${blur}"/></filter></defs>
    <g fill="#000" fill-opacity="0.7" stroke="#000" stroke-opacity="0.5" stroke-width="${blur}" filter="url(#s)">${paths.join('')}</g><g fill="#fff">${paths.join('')}</g></svg>`
  const rgba = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer()
  return { rgba, x, y: Math.max(0, y), width, height }
}
