// The part of opentype.js 2 that glyphs.ts uses; the package ships no types.
declare module 'opentype.js' {
  interface Font {
    unitsPerEm: number
    charToGlyphIndex(character: string): number
    charToGlyph(character: string): {
      advanceWidth?: number
      getPath(x: number, y: number, size: number): { toPathData(decimals: number): string }
    }
  }
  const opentype: { parse(bytes: ArrayBuffer): Font }
  export default opentype
  export type { Font }
}
