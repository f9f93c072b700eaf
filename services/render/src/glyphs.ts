/**
 * Text as outlines, so that a film looks the same on every machine: a bare container has no font at all.
 * Zen Maru Gothic (Latin, Japanese, Cyrillic, Greek) with Nunito for the Latin letters it lacks; both SIL OFL 1.1, through npm.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import opentype, { type Command, type Font } from 'opentype.js'

const require = createRequire(import.meta.url)
const FACES = [
  ['@fontsource/zen-maru-gothic', 'zen-maru-gothic-latin'],
  ['@fontsource/zen-maru-gothic', 'zen-maru-gothic-japanese'],
  ['@fontsource/nunito', 'nunito-latin-ext'],
  ['@fontsource/nunito', 'nunito-vietnamese'],
  ['@fontsource/zen-maru-gothic', 'zen-maru-gothic-cyrillic'],
  ['@fontsource/nunito', 'nunito-cyrillic-ext'],
  ['@fontsource/zen-maru-gothic', 'zen-maru-gothic-greek'],
] as const

/** A line of text as one SVG path at the origin of its baseline. */
export interface Outline {
  path: string
  width: number
  /** Pixels above and below the baseline that a line of this size takes. */
  ascent: number
  descent: number
}

/** Sets lines of text. Fonts are read when a character first needs them (the Japanese one takes 0.2 s). */
export class Glyphs {
  private readonly fonts = new Map<number, Font>()

  /** Outline of one line at `size` pixels. A character that no font has is left out. */
  line(text: string, size: number): Outline {
    let width = 0
    let data = ''
    for (const { font, character } of this.letters(text)) {
      const glyph = font.charToGlyph(character)
      data += glyph.getPath(width, 0, size).commands.map(pathData).join('')
      width += ((glyph.advanceWidth ?? 0) * size) / font.unitsPerEm
    }
    return { path: data, width, ascent: size * 0.88, descent: size * 0.24 }
  }

  /**
   * Each character with the font that has it. A composed letter that no font has falls back to its base letter. Glyph by glyph, without
   * the font's substitution tables: opentype.js 2.0 throws on some of them (lookup 6.1), and these scripts need none.
   */
  private letters(text: string): { font: Font; character: string }[] {
    return [...text.normalize('NFC').replace(/\s+/g, ' ')].flatMap(character => {
      for (const candidate of [character, character.normalize('NFD').charAt(0)]) {
        const font = this.fontFor(candidate)
        if (font) return [{ font, character: candidate }]
      }
      return []
    })
  }

  private fontFor(character: string): Font | undefined {
    for (const i of FACES.keys()) {
      const font = this.font(i)
      if (font.charToGlyphIndex(character) > 0) return font
    }
    return undefined
  }

  private font(index: number): Font {
    const known = this.fonts.get(index)
    if (known) return known
    const [name, file] = FACES[index] ?? FACES[0]
    const bytes = readFileSync(require.resolve(`${name}/files/${file}-700-normal.woff`))
    const font = opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
    this.fonts.set(index, font)
    return font
  }
}

/** One command as SVG. By hand: the library's own `toPathData` writes NaN for numbers that print with an exponent. */
function pathData(command: Command): string {
  const n = (...values: number[]): string => values.map(v => v.toFixed(2)).join(' ')
  switch (command.type) {
    case 'M':
    case 'L':
      return `${command.type}${n(command.x, command.y)}`
    case 'Q':
      return `Q${n(command.x1, command.y1, command.x, command.y)}`
    case 'C':
      return `C${n(command.x1, command.y1, command.x2, command.y2, command.x, command.y)}`
    case 'Z':
      return 'Z'
  }
}
