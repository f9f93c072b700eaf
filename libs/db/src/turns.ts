/** Waits for a turn, for so long. */
export interface Patience {
  readonly signal?: AbortSignal | undefined
  /** Until when, epoch ms. Default: for ever. */
  readonly until?: number
}

/** Nobody's turn came in time. */
export class TurnTimeout extends Error {
  constructor() {
    super('nobody left in time')
  }
}

/**
 * Lets so many through at a time. The rest waits: families take turns, in order within one, and one family may hold no more than its share, so
 * that a large import, or what waits for a lock of its family, leaves places to everybody else.
 */
export class Turns {
  readonly #perFamily: number
  readonly #running = new Map<string, number>()
  /** Who waits, by family; the map's order is whose turn it is. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #free: number

  /** @param perFamily places that one family may hold at a time. Default: all */
  constructor(limit: number, perFamily = limit) {
    this.#free = limit
    this.#perFamily = perFamily
  }

  /** How many wait. */
  get waiting(): number {
    let count = 0
    for (const turns of this.#waiting.values()) count += turns.length
    return count
  }

  /** Runs `fn` when it is the family's turn. */
  async run<T>(family: string, patience: Patience, fn: () => Promise<T>): Promise<T> {
    const leave = await this.enter(family, patience)
    try {
      return await fn()
    } finally {
      leave()
    }
  }

  /**
   * Resolves when it is the family's turn, with what gives the place back: to be called once.
   * @throws TurnTimeout, or the reason of the signal
   */
  async enter(family: string, { signal, until = Infinity }: Patience = {}): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#mayGo(family)) this.#go(family)
    else await this.#wait(family, signal, until)
    return () => this.#leave(family)
  }

  #mayGo(family: string): boolean {
    return this.#free > 0 && (this.#running.get(family) ?? 0) < this.#perFamily
  }

  #go(family: string): void {
    this.#free--
    this.#running.set(family, (this.#running.get(family) ?? 0) + 1)
  }

  #leave(family: string): void {
    this.#free++
    const running = (this.#running.get(family) ?? 1) - 1
    if (running > 0) this.#running.set(family, running)
    else this.#running.delete(family)
    for (const [next, turns] of this.#waiting) {
      if (this.#free === 0) return
      if (!this.#mayGo(next)) continue
      const turn = turns.shift()
      // The family goes to the end of the row.
      this.#waiting.delete(next)
      if (turns.length > 0) this.#waiting.set(next, turns)
      this.#go(next)
      turn?.()
      return
    }
  }

  #wait(family: string, signal: AbortSignal | undefined, until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', aborted)
      }
      const turn = () => {
        over()
        resolve()
      }
      const giveUp = (reason: unknown) => {
        over()
        const turns = this.#waiting.get(family)?.filter(each => each !== turn) ?? []
        if (turns.length > 0) this.#waiting.set(family, turns)
        else this.#waiting.delete(family)
        reject(reason as Error)
      }
      const aborted = () => giveUp(signal?.reason)
      const timer =
        until === Infinity ? undefined : setTimeout(() => giveUp(new TurnTimeout()), Math.max(0, until - Date.now()))
      signal?.addEventListener('abort', aborted, { once: true })
      const turns = this.#waiting.get(family)
      if (turns === undefined) this.#waiting.set(family, [turn])
      else turns.push(turn)
    })
  }
}
