/** Where a reader stands in one partition of a topic. */
export interface Position {
  readonly txid: string
  readonly position: number
}

/** The start of every log. */
export const beginning: Position = { txid: '0', position: 0 }

/**
 * Events finish out of order (different keys run side by side); the place that is kept is the last one before the first unfinished.
 * Pure bookkeeping, one per partition of a topic.
 */
export class Watermark {
  readonly #open: { at: Position; done: boolean }[] = []
  #head = 0
  #committed: Position

  constructor(start: Position) {
    this.#committed = start
  }

  /** Everything up to here is finished. */
  get committed(): Position {
    return this.#committed
  }

  /** Events taken in and not yet passed by the mark. */
  get outstanding(): number {
    return this.#open.length - this.#head
  }

  /** Notes the next event of the log; the answer is to be called once when it is finished. */
  add(at: Position): () => void {
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
