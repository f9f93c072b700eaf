import type pg from 'pg'
import { databaseError } from './errors.js'
import { runAlone } from './led-query.js'
import { rowsOf } from './rows.js'
import type { Sql } from './sql.js'

/** One connection for the life of a listener: notifications, session locks, reads outside transactions. */
export class Dedicated {
  readonly #client: pg.Client
  #lost: Error | undefined
  #closed = false

  /** @internal Use `Db.dedicated`. */
  constructor(client: pg.Client) {
    this.#client = client
    client.on('error', error => (this.#lost ??= error))
    client.on('end', () => (this.#lost ??= new Error('the connection ended')))
  }

  /** @internal */
  async open(system: boolean): Promise<void> {
    try {
      await this.#client.connect()
      await this.#client.query(
        `set statement_timeout = 30000${system ? `; select set_config('app.system', 'on', false)` : ''}`,
      )
    } catch (error) {
      await this.close()
      throw databaseError(error)
    }
  }

  /** Whether the connection, and with it every lock it held, is gone. */
  get lost(): boolean {
    return this.#lost !== undefined || this.#closed
  }

  /** Called once when the connection is gone. */
  onLost(fn: () => void): void {
    this.#client.once('end', fn)
  }

  /** Rows of one statement, outside any transaction. */
  async many<R = Record<string, unknown>>(query: Sql): Promise<R[]> {
    try {
      return rowsOf(await runAlone(this.#client, query.toQuery())) as R[]
    } catch (error) {
      throw databaseError(error)
    }
  }

  /** Hears notifications on `channel` (a fixed lower-case word). */
  async listen(channel: string, fn: (payload: string) => void): Promise<void> {
    if (!/^[a-z_]+$/.test(channel)) throw new TypeError(`not a channel name: ${channel}`)
    this.#client.on('notification', message => {
      if (message.channel === channel) fn(message.payload ?? '')
    })
    await this.#client.query(`listen ${channel}`)
  }

  /** Ends the connection; locks it held are free. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#client.end().catch(() => undefined)
  }
}
