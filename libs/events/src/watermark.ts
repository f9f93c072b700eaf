/** Where a reader stands in one partition of a topic of the outbox. */
export interface Position {
  readonly txid: string
  readonly position: number
}

/** The start of every log. */
export const beginning: Position = { txid: '0', position: 0 }

/** Whether `a` stands behind `b` in the outbox. */
export function isBefore(a: Position, b: Position): boolean {
  const [at, bt] = [BigInt(a.txid), BigInt(b.txid)]
  return at === bt ? a.position < b.position : at < bt
}

/**
 * Events finish out of order (different keys run side by side); the place that is kept is the last one before the first unfinished.
 * Pure bookkeeping, one per partition of a topic. `P` says what a place is: a position in the outbox, an offset on Kafka.
 */
export class Watermark<P = Position> {
  readonly #open: { at: P; done: boolean }[] = []
  #head = 0
  #committed: P

  constructor(start: P) {
    this.#committed = start
  }

  /** Everything up to here is finished. */
  get committed(): P {
    return this.#committed
  }

  /** Events taken in and not yet passed by the mark. */
  get outstanding(): number {
    return this.#open.length - this.#head
  }

  /** Notes the next event of the log; the answer is to be called once when it is finished. */
  add(at: P): () => void {
    const entry = { at, done: false }
    this.#open.push(entry)
    return () => {
      entry.done = true
      for (let first = this.#open[this.#head]; first?.done === true; first = this.#open[this.#head]) {
        this.#committed = first.at
        this.#head++
      }
      if (this.#head > 1024 && this.#head * 2 > this.#open.length) {
        this.#open.splice(0, this.#head)
        this.#head = 0
      }
    }
  }
}
