import type { Db, Dedicated, Sql } from '@keepsake/db'

/** One connection across families for a group's books, opened when needed and again when it was lost. */
export class BooksLink {
  readonly #db: Db
  readonly #reason: string
  #opening: Promise<Dedicated> | undefined
  #closed = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(db: Db, reason: string) {
    this.#db = db
    this.#reason = reason
  }

  /** Queries go out one after another. */
  many<R>(query: Sql): Promise<R[]> {
    const asked = this.#last.then(async () => (await this.#open()).many<R>(query))
    this.#last = asked.catch(() => undefined)
    return asked
  }

  async close(): Promise<void> {
    this.#closed = true
    const connection = await this.#opening?.catch(() => undefined)
    await connection?.close()
  }

  async #open(): Promise<Dedicated> {
    for (;;) {
      if (this.#closed) throw new Error('the books are closed')
      // Whoever comes first opens it for all who wait.
      const opening = (this.#opening ??= this.#db.dedicated(this.#reason, { system: true }))
      const connection = await opening.catch((error: unknown) => {
        if (this.#opening === opening) this.#opening = undefined
        throw error
      })
      if (!connection.lost) return connection
      if (this.#opening === opening) this.#opening = undefined
    }
  }
}
