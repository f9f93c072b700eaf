// The part of opentype.js 2 that glyphs.ts uses; the package ships no types.
declare module 'opentype.js' {
  type Command =
    | { type: 'Z' }
    | { type: 'M' | 'L'; x: number; y: number }
    | { type: 'Q'; x1: number; y1: number; x: number; y: number }
    | { type: 'C'; x1: number; y1: number; x2: number; y2: number; x: number; y: number }
  interface Font {
    unitsPerEm: number
    charToGlyphIndex(character: string): number
    charToGlyph(character: string): {
      advanceWidth?: number
      getPath(x: number, y: number, size: number): { commands: Command[] }
    }
  }
  const opentype: { parse(bytes: ArrayBuffer): Font }
  export default opentype
  export type { Command, Font }
}
