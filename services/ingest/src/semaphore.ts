/** Lets so many through at a time. The rest waits: families take turns, in order within one, and who waits stops when its signal says so. */
export class Semaphore {
  /** Who waits, by family; the map's order is whose turn it is. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #free: number

  constructor(limit: number) {
    this.#free = limit
  }

  /** Runs `fn` when it is its turn. */
  async run<T>(family: string, signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    await this.#enter(family, signal)
    try {
      return await fn()
    } finally {
      this.#next()
    }
  }

  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#free++
      return
    }
    const [family, turns] = first
    const turn = turns.shift()
    // It goes to the end of the row.
    this.#waiting.delete(family)
    if (turns.length > 0) this.#waiting.set(family, turns)
    turn?.()
  }

  #enter(family: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const turn = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        const turns = this.#waiting.get(family)?.filter(each => each !== turn) ?? []
        if (turns.length > 0) this.#waiting.set(family, turns)
        else this.#waiting.delete(family)
        reject(signal.reason as Error)
      }
      const turns = this.#waiting.get(family)
      if (turns === undefined) this.#waiting.set(family, [turn])
      else turns.push(turn)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
