import type { QualityFigures, RgbImage } from './image-types.js'

/** Cells of the sharpness grid along the long side; the short side gets as many as keep the cells about square. */
const cellsAlongLongSide = 16

/** BT.601 luma of each pixel, 0..255. */
export function lumaOf({ data, width, height }: RgbImage): Float32Array {
  const luma = new Float32Array(width * height)
  for (let i = 0, p = 0; i < luma.length; i++, p += 3) {
    luma[i] = 0.299 * data[p]! + 0.587 * data[p + 1]! + 0.114 * data[p + 2]!
  }
  return luma
}

/** Measures a picture. Give it the size that all pictures are measured at (long side 1024 px): sharpness depends on scale. */
export function measureQuality(image: RgbImage): QualityFigures {
  const luma = lumaOf(image)
  return { ...sharpnessOf(luma, image.width, image.height), ...toneOf(luma), ...colourOf(image) }
}

/** Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), overall and per cell. */
function sharpnessOf(
  luma: Float32Array,
  width: number,
  height: number,
): Pick<QualityFigures, 'sharpness' | 'sharpnessGrid'> {
  const cell = Math.max(width, height) / cellsAlongLongSide
  const columns = Math.max(1, Math.round(width / cell))
  const rows = Math.max(1, Math.round(height / cell))
  const count = new Float64Array(columns * rows)
  const sum = new Float64Array(columns * rows)
  const squares = new Float64Array(columns * rows)
  // A cell's pixels of one row are summed in locals: this loop runs for every pixel of every photo.
  const firstOf = (column: number) => Math.max(1, Math.ceil((column * width) / columns))
  for (let y = 1; y < height - 1; y++) {
    const row = Math.floor((y * rows) / height) * columns
    for (let column = 0; column < columns; column++) {
      const end = y * width + Math.min(width - 1, firstOf(column + 1))
      const start = y * width + firstOf(column)
      let cellSum = 0
      let cellSquares = 0
      for (let i = start; i < end; i++) {
        const laplacian = luma[i - 1]! + luma[i + 1]! + luma[i - width]! + luma[i + width]! - 4 * luma[i]!
        cellSum += laplacian
        cellSquares += laplacian * laplacian
      }
      const at = row + column
      count[at]! += Math.max(0, end - start)
      sum[at]! += cellSum
      squares[at]! += cellSquares
    }
  }
  const variance = (n: number, s: number, q: number) => (n === 0 ? 0 : Math.max(0, q / n - (s / n) ** 2))
  const total = (list: Float64Array) => list.reduce((a, b) => a + b, 0)
  return {
    sharpness: round(variance(total(count), total(sum), total(squares))),
    sharpnessGrid: {
      columns,
      rows,
      values: Array.from(count, (n, i) => round(variance(n, sum[i] ?? 0, squares[i] ?? 0))),
    },
  }
}

function toneOf(luma: Float32Array): Pick<QualityFigures, 'brightness' | 'contrast' | 'clippedDark' | 'clippedBright'> {
  let sum = 0
  let squares = 0
  let dark = 0
  let bright = 0
  for (let i = 0; i < luma.length; i++) {
    const value = luma[i]! // an iterator takes eight times as long here
    sum += value
    squares += value * value
    if (value <= 4) dark++
    if (value >= 251) bright++
  }
  const n = Math.max(1, luma.length)
  const mean = sum / n
  return {
    brightness: round(mean / 255),
    contrast: round(Math.sqrt(Math.max(0, squares / n - mean * mean)) / 255),
    clippedDark: round(dark / n),
    clippedBright: round(bright / n),
  }
}

/** Colourfulness: Hasler and Süsstrunk 2003, "Measuring colourfulness in natural images", M3. */
function colourOf({
  data,
  width,
  height,
}: RgbImage): Pick<QualityFigures, 'colourfulness' | 'flatShare' | 'paperShare'> {
  const n = Math.max(1, width * height)
  let rgSum = 0
  let rgSquares = 0
  let ybSum = 0
  let ybSquares = 0
  let flat = 0
  let paper = 0
  for (let y = 0, p = 0; y < height; y++) {
    // Whole numbers, added up row by row, stay out of floating point.
    let rowRg = 0
    let rowRgSquares = 0
    let rowYb = 0 // doubled
    let rowYbSquares = 0 // times four
    let left = -1 // the colour of the pixel before in this row
    for (let x = 0; x < width; x++, p += 3) {
      const r = data[p]!
      const g = data[p + 1]!
      const b = data[p + 2]!
      const rg = r - g
      const yb = r + g - 2 * b
      rowRg += rg
      rowRgSquares += rg * rg
      rowYb += yb
      rowYbSquares += yb * yb
      const colour = (r << 16) | (g << 8) | b
      if (colour === left) flat++
      left = colour
      if (r >= 190 && g >= 190 && b >= 190 && Math.abs(rg) <= 24 && Math.abs(r - b) <= 24 && Math.abs(g - b) <= 24)
        paper++
    }
    rgSum += rowRg
    rgSquares += rowRgSquares
    ybSum += rowYb / 2
    ybSquares += rowYbSquares / 4
  }
  const spread = Math.sqrt(rgSquares / n - (rgSum / n) ** 2 + ybSquares / n - (ybSum / n) ** 2)
  const shift = Math.hypot(rgSum / n, ybSum / n)
  return { colourfulness: round((spread || 0) + 0.3 * shift), flatShare: round(flat / n), paperShare: round(paper / n) }
}

/** Four digits are more than the measure is worth, and keep what is stored and sent small. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
