import type { QualityFigures, RgbImage } from './image-types.js'

/** Cells of the sharpness grid along the long side; the short side gets as many as keep the cells about square. */
const cellsAlongLongSide = 16

/** Measures a picture. Give it the size that all pictures are measured at (long side 1024 px): sharpness depends on scale. */
export function measureQuality(image: RgbImage): QualityFigures {
  const { width, height } = image
  const sharpness = new Sharpness(width, height)
  const tone = new Tone()
  const colour = new Colour()
  // Row by row, with the luma of three rows at hand: all that is read stays in the cache, which halves the time.
  let [above, here, below] = [new Float32Array(width), new Float32Array(width), new Float32Array(width)]
  for (let y = 0; y < height; y++) {
    readRow(image, y, below, tone, colour)
    if (y >= 2) sharpness.add(y - 1, above, here, below)
    ;[above, here, below] = [here, below, above]
  }
  const pixels = Math.max(1, width * height)
  return { ...sharpness.figures(), ...tone.figures(pixels), ...colour.figures(pixels) }
}

/** Reads the pixels of row `y` once: their BT.601 luma, 0..255, into `luma`, and what tone and colour count. */
function readRow({ data, width }: RgbImage, y: number, luma: Float32Array, tone: Tone, colour: Colour): void {
  let { sum, squares, dark, bright } = tone
  // Whole numbers, added up row by row, stay out of floating point.
  let rg = 0
  let rgSquares = 0
  let yb = 0 // doubled
  let ybSquares = 0 // times four
  let flat = 0
  let paper = 0
  let left = -1 // the colour of the pixel before in this row
  for (let x = 0, p = y * width * 3; x < width; x++, p += 3) {
    const r = data[p]!
    const g = data[p + 1]!
    const b = data[p + 2]!
    const value = Math.fround(0.299 * r + 0.587 * g + 0.114 * b)
    luma[x] = value
    sum += value
    squares += value * value
    if (value <= 4) dark++
    if (value >= 251) bright++
    const redGreen = r - g
    const yellowBlue = r + g - 2 * b
    rg += redGreen
    rgSquares += redGreen * redGreen
    yb += yellowBlue
    ybSquares += yellowBlue * yellowBlue
    const colourOf = (r << 16) | (g << 8) | b
    if (colourOf === left) flat++
    left = colourOf
    if (r >= 190 && g >= 190 && b >= 190 && Math.abs(redGreen) <= 24 && Math.abs(r - b) <= 24 && Math.abs(g - b) <= 24)
      paper++
  }
  tone.sum = sum
  tone.squares = squares
  tone.dark = dark
  tone.bright = bright
  colour.rgSum += rg
  colour.rgSquares += rgSquares
  colour.ybSum += yb / 2
  colour.ybSquares += ybSquares / 4
  colour.flat += flat
  colour.paper += paper
}

/** Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), overall and per cell. */
class Sharpness {
  private readonly columns: number
  private readonly rows: number
  /** Where each cell begins in a row, and where the last one ends; the outermost pixels have no four neighbours. */
  private readonly edges: number[]
  private readonly count: Float64Array
  private readonly sum: Float64Array
  private readonly squares: Float64Array

  constructor(
    width: number,
    private readonly height: number,
  ) {
    const cell = Math.max(width, height) / cellsAlongLongSide
    const columns = Math.max(1, Math.round(width / cell))
    this.columns = columns
    this.rows = Math.max(1, Math.round(height / cell))
    this.edges = Array.from({ length: columns + 1 }, (_, column) =>
      Math.min(width - 1, Math.max(1, Math.ceil((column * width) / columns))),
    )
    this.count = new Float64Array(columns * this.rows)
    this.sum = new Float64Array(columns * this.rows)
    this.squares = new Float64Array(columns * this.rows)
  }

  /** Takes row `y`, `here`, with the rows above and below it. */
  add(y: number, above: Float32Array, here: Float32Array, below: Float32Array): void {
    const row = Math.floor((y * this.rows) / this.height) * this.columns
    for (let column = 0; column < this.columns; column++) {
      const start = this.edges[column]!
      const end = this.edges[column + 1]!
      // A cell's pixels of one row are summed in locals: this loop runs for every pixel of every photo.
      let sum = 0
      let squares = 0
      let left = here[start - 1]!
      let middle = here[start]!
      for (let x = start; x < end; x++) {
        const right = here[x + 1]!
        const laplacian = left + right + above[x]! + below[x]! - 4 * middle
        sum += laplacian
        squares += laplacian * laplacian
        left = middle
        middle = right
      }
      const at = row + column
      this.count[at]! += Math.max(0, end - start)
      this.sum[at]! += sum
      this.squares[at]! += squares
    }
  }

  figures(): Pick<QualityFigures, 'sharpness' | 'sharpnessGrid'> {
    const { columns, rows, count, sum, squares } = this
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
}

class Tone {
  sum = 0
  squares = 0
  dark = 0
  bright = 0

  figures(pixels: number): Pick<QualityFigures, 'brightness' | 'contrast' | 'clippedDark' | 'clippedBright'> {
    const mean = this.sum / pixels
    return {
      brightness: round(mean / 255),
      contrast: round(Math.sqrt(Math.max(0, this.squares / pixels - mean * mean)) / 255),
      clippedDark: round(this.dark / pixels),
      clippedBright: round(this.bright / pixels),
    }
  }
}

/** Colourfulness: Hasler and Süsstrunk 2003, "Measuring colourfulness in natural images", M3. */
class Colour {
  rgSum = 0
  rgSquares = 0
  ybSum = 0
  ybSquares = 0
  flat = 0
  paper = 0

  figures(pixels: number): Pick<QualityFigures, 'colourfulness' | 'flatShare' | 'paperShare'> {
    const { rgSum, rgSquares, ybSum, ybSquares } = this
    const spread = Math.sqrt(rgSquares / pixels - (rgSum / pixels) ** 2 + ybSquares / pixels - (ybSum / pixels) ** 2)
    const shift = Math.hypot(rgSum / pixels, ybSum / pixels)
    return {
      colourfulness: round((spread || 0) + 0.3 * shift),
      flatShare: round(this.flat / pixels),
      paperShare: round(this.paper / pixels),
    }
  }
}

/** Four digits are more than the measure is worth, and keep what is stored and sent small. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
