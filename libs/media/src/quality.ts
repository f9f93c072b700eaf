import type { QualityFigures, RgbImage } from './image-types.js'

/** Cells of the sharpness grid along the long side; the short side gets as many as keep the cells about square. */
const cellsAlongLongSide = 16

/** BT.601 luma of each pixel, 0..255. */
export function lumaOf({ data, width, height }: RgbImage): Float32Array {
  const luma = new Float32Array(width * height)
  for (let i = 0, p = 0; i < luma.length; i++, p += 3) {
    luma[i] = 0.299 * (data[p] ?? 0) + 0.587 * (data[p + 1] ?? 0) + 0.114 * (data[p + 2] ?? 0)
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
  for (let y = 1; y < height - 1; y++) {
    const row = Math.floor((y * rows) / height) * columns
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x
      const edges = (luma[i - 1] ?? 0) + (luma[i + 1] ?? 0) + (luma[i - width] ?? 0) + (luma[i + width] ?? 0)
      const laplacian = edges - 4 * (luma[i] ?? 0)
      const at = row + Math.floor((x * columns) / width)
      count[at] = (count[at] ?? 0) + 1
      sum[at] = (sum[at] ?? 0) + laplacian
      squares[at] = (squares[at] ?? 0) + laplacian * laplacian
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
  for (const value of luma) {
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
  for (let i = 0, p = 0; i < width * height; i++, p += 3) {
    const r = data[p] ?? 0
    const g = data[p + 1] ?? 0
    const b = data[p + 2] ?? 0
    const rg = r - g
    const yb = (r + g) / 2 - b
    rgSum += rg
    rgSquares += rg * rg
    ybSum += yb
    ybSquares += yb * yb
    if ((i + 1) % width !== 0 && r === data[p + 3] && g === data[p + 4] && b === data[p + 5]) flat++
    if (Math.min(r, g, b) >= 190 && Math.max(r, g, b) - Math.min(r, g, b) <= 24) paper++
  }
  const spread = Math.sqrt(rgSquares / n - (rgSum / n) ** 2 + ybSquares / n - (ybSum / n) ** 2)
  const shift = Math.hypot(rgSum / n, ybSum / n)
  return { colourfulness: round((spread || 0) + 0.3 * shift), flatShare: round(flat / n), paperShare: round(paper / n) }
}

/** Four digits are more than the measure is worth, and keep what is stored and sent small. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
