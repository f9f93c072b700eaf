import type { Readable } from 'node:stream'

/**
 * The body of an upload, taken in parts. A part ends at its size, at its time, at the end of the body or when the
 * connection breaks; what had arrived by then is a good part all the same. Nothing is held but the chunk in hand.
 */
export class UploadBody {
  private readonly chunks: AsyncIterator<Buffer>
  private next: Promise<IteratorResult<Buffer>> | undefined
  private rest: Buffer | undefined
  /** No more bytes will come. */
  ended = false
  /** The connection broke before the body was whole. */
  broken = false

  constructor(source: Readable) {
    this.chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** The next part: at most `maxBytes`, and no longer than `untilMs` (epoch milliseconds). */
  async *take(maxBytes: number, untilMs: number): AsyncGenerator<Buffer> {
    let left = maxBytes
    while (left > 0 && !this.ended) {
      const chunk = this.rest ?? (await this.read(untilMs))
      this.rest = undefined
      if (chunk === undefined) return
      const now = chunk.length > left ? chunk.subarray(0, left) : chunk
      if (now.length < chunk.length) this.rest = chunk.subarray(left)
      left -= now.length
      yield now
    }
  }

  /** Whether there is at least one more byte; waits for it. */
  async more(untilMs: number): Promise<boolean> {
    if (this.rest === undefined && !this.ended) this.rest = await this.read(untilMs)
    return this.rest !== undefined
  }

  /** Reads and forgets what is left. */
  async drain(): Promise<void> {
    this.rest = undefined
    while (!this.ended) await this.read(Infinity)
  }

  /** The next chunk; undefined at the end, after a break, or when the time is up (the chunk is then kept for later). */
  private async read(untilMs: number): Promise<Buffer | undefined> {
    if (this.ended) return undefined
    this.next ??= this.chunks.next()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>(resolve => {
      if (Number.isFinite(untilMs)) timer = setTimeout(() => resolve('late'), Math.max(0, untilMs - Date.now()))
    })
    try {
      const result = await Promise.race([this.next, late])
      if (result === 'late') return undefined
      this.next = undefined
      if (result.done === true) {
        this.ended = true
        return undefined
      }
      return result.value
    } catch {
      this.ended = true
      this.broken = true
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}
