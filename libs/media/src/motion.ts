/** How much a picture moves, by the second. Pure: it is given luma planes and times. */

/** Pictures are compared on so many cells each way: hand tremor and sensor noise average out, a child that walks does not. */
const cells = 48

/** Pixels that make a cell's mean, each way. */
const perCell = 4

/** Pictures so far apart are compared, seconds: slow gestures show, and five comparisons make a second's figure steady. */
const gapS = 0.2

/** A picture with less contrast than this (levels of luma) counts as having it: in a dark room noise is no motion. */
const leastContrast = 8

/** Only so many seconds from the start are looked at: memory and work have an end. Of what comes later the motion is unknown. */
const mostSeconds = 3600

/** One plane of 8-bit luma; rows lie `stride` bytes apart. */
export interface LumaPlane {
  data: Uint8Array
  stride: number
  width: number
  height: number
}

/** Is shown the pictures of a video in the order of time and says how much each second of it moves. */
export class MotionMeter {
  private readonly sums: number[] = []
  private readonly counts: number[] = []
  private before: Float32Array | undefined
  private nextS = -Infinity

  /** Whether a picture at this time (seconds) would be looked at: others need not be made ready. */
  wants(timeS: number): boolean {
    return timeS >= this.nextS - 1e-3 && !this.ends(timeS)
  }

  /** Whether neither a picture at this time (seconds) nor any later one would be looked at. */
  ends(timeS: number): boolean {
    return timeS >= mostSeconds
  }

  /** Looks at the picture on screen at `timeS`, seconds from the start. */
  take(picture: LumaPlane, timeS: number): void {
    if (!this.wants(timeS)) return
    this.nextS = timeS + gapS
    const now = shrink(picture)
    const { before } = this
    this.before = now
    if (!before) return
    const second = Math.max(0, Math.floor(timeS))
    this.sums[second] = (this.sums[second] ?? 0) + change(before, now)
    this.counts[second] = (this.counts[second] ?? 0) + 1
  }

  /**
   * Motion of each whole second: the mean absolute difference of luma between pictures a fifth of a second apart, as a share of what two
   * unrelated pictures of that contrast would differ by; 0 still, 1 everything moves. Empty where fewer than two pictures were seen.
   */
  perSecond(): number[] {
    return Array.from(this.sums, (sum, i) => Math.round((1000 * (sum ?? 0)) / Math.max(1, this.counts[i] ?? 0)) / 1000)
  }
}

function change(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!)
  return Math.min(1, sum / a.length / Math.max(leastContrast, (contrast(a) + contrast(b)) / 2))
}

/** Mean difference of two cells picked at random (Gini's mean difference), in levels of luma. */
function contrast(values: Float32Array): number {
  const sorted = values.slice().sort()
  const n = sorted.length
  let sum = 0
  for (let i = 0; i < n; i++) sum += (2 * i - n + 1) * sorted[i]!
  return (2 * sum) / (n * n)
}

function shrink({ data, stride, width, height }: LumaPlane): Float32Array {
  const out = new Float32Array(cells * cells)
  const steps = cells * perCell
  for (let y = 0; y < steps; y++) {
    const row = Math.floor(((y + 0.5) * height) / steps) * stride
    const to = Math.floor(y / perCell) * cells
    for (let x = 0; x < steps; x++) {
      out[to + Math.floor(x / perCell)]! += data[row + Math.floor(((x + 0.5) * width) / steps)]! / (perCell * perCell)
    }
  }
  return out
}
