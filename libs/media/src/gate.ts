/** Lets so many in at once; the others wait in a row. */
export class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(most: number) {
    this.#free = most
  }

  /** Resolves when it is one's turn, with what must be called to let the next one in. Rejects with the signal's reason. */
  async enter(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#free > 0) this.#free--
    else {
      await new Promise<void>((resolve, reject) => {
        const turn = () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        }
        const leave = () => {
          const place = this.#waiting.indexOf(turn)
          if (place >= 0) this.#waiting.splice(place, 1)
          reject(signal?.reason as Error)
        }
        this.#waiting.push(turn)
        signal?.addEventListener('abort', leave, { once: true })
      })
    }
    let left = false
    return () => {
      if (left) return
      left = true
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
