/** A batch that was run: pictures computed (padding counted) and milliseconds in its worker. */
export interface MeasuredBatch {
  rows: number
  ms: number
}

/** How long a batch of n pictures takes: `fixedMs + perRowMs * n`. Neither is negative. */
export interface Latency {
  fixedMs: number
  perRowMs: number
}

/**
 * The straight line through measured batches (least squares). Where they cannot tell what is fixed (all of one size, or noise that makes a part negative) the line goes
 * through nothing or is level; its mean is right in every case.
 * @returns undefined for no batches
 */
export function fitLatency(batches: readonly MeasuredBatch[]): Latency | undefined {
  if (batches.length === 0) return undefined
  const sum = (of: (batch: MeasuredBatch) => number) => batches.reduce((total, batch) => total + of(batch), 0)
  const meanRows = sum(({ rows }) => rows) / batches.length
  const meanMs = sum(({ ms }) => ms) / batches.length
  const spread = sum(({ rows }) => (rows - meanRows) ** 2)
  if (spread === 0) return { fixedMs: 0, perRowMs: meanMs / meanRows }
  const perRowMs = sum(({ rows, ms }) => (rows - meanRows) * (ms - meanMs)) / spread
  if (perRowMs <= 0) return { fixedMs: meanMs, perRowMs: 0 }
  const fixedMs = meanMs - perRowMs * meanRows
  return fixedMs >= 0 ? { fixedMs, perRowMs } : { fixedMs: 0, perRowMs: meanMs / meanRows }
}

/** The last so many batches of a model count, as in BentoML's dispatcher: a machine that becomes busy is noticed within seconds. */
const REMEMBERED = 50
/** Weight of the newest batch in the running estimate of the machine's speed, for models that were not measured yet. */
const SPEED_SMOOTHING = 0.1

/** What is known of how long batches take here, by model. */
export class Latencies {
  private readonly batches = new Map<string, MeasuredBatch[]>()
  private readonly fits = new Map<string, Latency>()
  private msPerCost = 1

  /** @param costOf milliseconds of one picture as the catalogue states them */
  constructor(private readonly costOf: (model: string) => number) {}

  /** Takes in a batch that was run. */
  add(model: string, batch: MeasuredBatch): void {
    const known = this.batches.get(model) ?? []
    this.batches.set(model, known)
    known.push(batch)
    if (known.length > REMEMBERED) known.shift()
    const fit = fitLatency(known)
    if (fit) this.fits.set(model, fit)
    this.msPerCost += SPEED_SMOOTHING * (batch.ms / (batch.rows * this.costOf(model)) - this.msPerCost)
  }

  /** Expected milliseconds of a batch; of a model that never ran: by the catalogue and the speed of the others. */
  predictMs(model: string, rows: number): number {
    const fit = this.fits.get(model)
    return fit ? fit.fixedMs + fit.perRowMs * rows : this.costOf(model) * rows * this.msPerCost
  }
}
