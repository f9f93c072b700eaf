import type { Db, Sql } from '@keepsake/db'

type Dedicated = Awaited<ReturnType<Db['dedicated']>>

/**
 * One connection across families for what the worker asks again and again: which film is next, what is to be removed. Opened (and audited)
 * once, opened again when it is lost.
 */
export class Crossing {
  private connection: Promise<Dedicated> | undefined

  constructor(
    private readonly db: Db,
    private readonly reason: string,
    private readonly channel: string,
    private readonly heard: (payload: string) => void,
  ) {}

  /** Rows of one statement, in a transaction of its own. */
  async many<R>(query: Sql): Promise<R[]> {
    const connection = await this.open()
    return connection.many<R>(query)
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    const connection = await this.connection?.catch(() => undefined)
    await connection?.close()
  }

  private async open(): Promise<Dedicated> {
    const known = await this.connection?.catch(() => undefined)
    if (known && !known.lost) return known
    this.connection = this.db.dedicated(this.reason, { system: true }).then(async connection => {
      await connection.listen(this.channel, this.heard)
      return connection
    })
    return this.connection
  }
}
