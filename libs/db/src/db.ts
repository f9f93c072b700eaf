import { logger } from '@keepsake/telemetry'
import { familyOf, KeepsakeError, type Call } from '@keepsake/rpc'
import pg from 'pg'
import { connection } from './connection.js'
import { Dedicated } from './dedicated.js'
import { databaseError } from './errors.js'
import { familyShare } from './family-share.js'
import { isId } from './id.js'
import type { Answer, Statement } from './led-query.js'
import { Loan } from './loan.js'
import { poolConnections, poolWaiting, poolWaitSeconds, transactionSeconds } from './metrics.js'
import { rowsOf, rowTypes } from './rows.js'
import type { Sql } from './sql.js'
import { Turns, TurnTimeout } from './turns.js'

/** One open transaction. Rows come back with camelCase keys. */
export interface Tx {
  /** The one row; an error when there is none or more than one. */
  one<R = Record<string, unknown>>(query: Sql): Promise<R>
  /** The row, or undefined; an error when there is more than one. */
  maybe<R = Record<string, unknown>>(query: Sql): Promise<R | undefined>
  /** Every row. */
  many<R = Record<string, unknown>>(query: Sql): Promise<R[]>
  /** Runs a statement and says how many rows it changed. */
  changed(query: Sql): Promise<number>
}

/** A transaction that sees and writes rows of one family only. */
export interface FamilyTx extends Tx {
  readonly familyId: string
}

/** How a `Db` behaves. */
export interface DbOptions {
  /** Connections at most. Default 8. */
  max?: number
  /** A statement that takes longer is cancelled by the server, in ms. Default 15,000. */
  statementTimeoutMs?: number
  /** A statement that waits longer for a lock fails with CONFLICT, in ms. Default 0: the statement timeout alone. */
  lockTimeoutMs?: number
  /** A transaction that does nothing for so long is ended by the server, in ms. Default 60,000. */
  idleInTransactionMs?: number
  /** How long to wait for a server that is away before giving up, in ms. Default 10,000. */
  connectTimeoutMs?: number
  /** PEM file of the server's CA, see `connection`. */
  caFile?: string
  /** Who connects, for the server's log and ours. Default: the role's name. */
  name?: string
}

/** Ends a call early. */
export interface DbCallOptions {
  signal?: AbortSignal
  /** Overrides the pool's statement timeout for this transaction, in ms. */
  statementTimeoutMs?: number
}

/** A call without a deadline waits so long for a connection while others use them all, ms. */
const longestQueueMs = 60_000
/** For a readiness probe a commit is news for so long, ms. */
const answerHoldsMs = 2_000

/** A pool of connections of one role. Survives a restart of the server: calls wait for it, within their deadlines. */
export class Db {
  readonly #pool: pg.Pool
  /** Before the pool, whose own row knows no families. */
  readonly #turns: Turns
  readonly #config: pg.ClientConfig
  readonly #statementTimeoutMs: number
  readonly #connectTimeoutMs: number
  readonly #stopMeasuring: (() => void)[]
  /** When the server last did something for us, epoch ms. */
  #answered = 0
  readonly name: string

  constructor(url: string, options: DbOptions = {}) {
    this.name = options.name ?? (decodeURIComponent(new URL(url).username) || 'database')
    this.#statementTimeoutMs = options.statementTimeoutMs ?? 15_000
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000
    this.#config = {
      ...connection(url, options.caFile),
      application_name: this.name,
      types: rowTypes,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // A transaction whose process hangs must not hold back the event log for ever (readers wait for the oldest writer).
      idle_in_transaction_session_timeout: options.idleInTransactionMs ?? 60_000,
      lock_timeout: options.lockTimeoutMs ?? 0,
    }
    const max = options.max ?? 8
    this.#turns = new Turns(max, familyShare(max))
    this.#pool = new pg.Pool({
      ...this.#config,
      max,
      idleTimeoutMillis: 30_000,
      connectionTimeoutMillis: 0,
    })
    const pool = this.name
    this.#stopMeasuring = [
      poolConnections.observe(set => {
        set(this.#pool.totalCount - this.#pool.idleCount, { pool, state: 'busy' })
        set(this.#pool.idleCount, { pool, state: 'idle' })
      }),
      poolWaiting.observe(set => set(this.#turns.waiting, { pool })),
    ]
    // A connection may break at any moment of its life, also between two queries; who uses it sees that at the next one.
    this.#pool.on('connect', client => client.on('error', () => undefined))
    // An idle connection that breaks is dropped by the pool; the next call opens a new one.
    this.#pool.on('error', error => logger(this.name).debug({ err: error }, 'an idle database connection was lost'))
  }

  /** The family's rows, in one transaction: `who` is the call (its family, deadline and signal) or a family's id. */
  async family<T>(who: Call | string, fn: (tx: FamilyTx) => Promise<T>, options: DbCallOptions = {}): Promise<T> {
    const { familyId, call, scope } = scopeOf(who)
    return this.#transaction(scope, call, options, tx => fn(Object.assign(tx, { familyId })))
  }

  /**
   * The rows of one statement of the family that is a transaction of its own: one round trip instead of three. Where the connection is lost on the way it
   * runs again, although it may have been committed: so a read, or a write that says the same twice.
   */
  async familyRows<R = Record<string, unknown>>(
    who: Call | string,
    query: (familyId: string) => Sql,
    options: DbCallOptions = {},
  ): Promise<R[]> {
    const { familyId, call, scope } = scopeOf(who)
    const statement = query(familyId).toQuery()
    return this.#lent(scope, call, options, async (loan, settings) =>
      rowsOf(await loan.led([settings], statement)),
    ) as Promise<R[]>
  }

  /**
   * Rows of every family, for work that belongs to none (a sweep, an account). The row policies let it through by a flag that
   * only this method sets; each use is written to the log with its reason.
   */
  async system<T>(reason: string, fn: (tx: Tx) => Promise<T>, options: DbCallOptions = {}): Promise<T> {
    logger(this.name).info({ audit: 'system', reason }, 'database opened across families')
    return this.#transaction(`set_config('app.system', 'on', true)`, undefined, options, fn)
  }

  /** Rows that belong to no family (accounts, sessions), in one transaction that sees no family's rows. */
  async unscoped<T>(call: Call | undefined, fn: (tx: Tx) => Promise<T>, options: DbCallOptions = {}): Promise<T> {
    return this.#transaction(`set_config('app.family_id', '', true)`, call, options, fn)
  }

  /** A connection of its own outside the pool, for LISTEN and session locks; audited like `system` when it crosses families. */
  async dedicated(reason: string, options: { system?: boolean; signal?: AbortSignal } = {}): Promise<Dedicated> {
    if (options.system === true)
      logger(this.name).info({ audit: 'system', reason }, 'database connection opened across families')
    const connection = new Dedicated(new pg.Client({ ...this.#config, idle_in_transaction_session_timeout: 0 }))
    await connection.open(options.system === true)
    return connection
  }

  /**
   * Whether the server answers, in time for a readiness probe. A commit within the last two seconds is an answer: a pool that is busy
   * is not ill.
   */
  async ping(timeoutMs = 1_000): Promise<void> {
    if (Date.now() - this.#answered < answerHoldsMs) return
    const limit = { statementTimeoutMs: timeoutMs }
    const nothing = { text: 'select 1', values: [] }
    await this.#lent('1', undefined, limit, (loan, settings) => loan.led([settings], nothing), timeoutMs, timeoutMs)
  }

  /** Waits for the transactions under way and closes every connection. */
  async close(): Promise<void> {
    for (const stop of this.#stopMeasuring) stop()
    if (!this.#pool.ended && !this.#pool.ending) await this.#pool.end()
  }

  /** A transaction; `begin` travels with its first statement. */
  #transaction<T>(
    scope: string,
    call: Call | undefined,
    options: DbCallOptions,
    fn: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    return this.#lent(scope, call, options, async (loan, settings, signal) => {
      const open = new OpenTx(loan, ['begin', settings])
      try {
        const result = await fn(open)
        signal?.throwIfAborted()
        await open.commit()
        return result
      } catch (error) {
        open.end()
        await loan.rollBack(error)
        throw error
      }
    })
  }

  /** Lends `fn` a connection and says which statement makes the settings of its transaction. */
  async #lent<T>(
    scope: string,
    call: Call | undefined,
    options: DbCallOptions,
    fn: (loan: Loan, settings: string, signal: AbortSignal | undefined) => Promise<T>,
    connectTimeoutMs = this.#connectTimeoutMs,
    queueMs = longestQueueMs,
  ): Promise<T> {
    const signal = options.signal ?? call?.signal
    const now = Date.now()
    const left = call === undefined ? Infinity : Math.max(1, call.deadline - now)
    const statementMs = Math.ceil(Math.min(options.statementTimeoutMs ?? this.#statementTimeoutMs, left))
    signal?.throwIfAborted()
    const settings = `select set_config('statement_timeout', '${statementMs}', true), ${scope}`
    const until = now + Math.min(queueMs, left)
    // What is set for a transaction says whose it is.
    const leave = await this.#turns.enter(scope, { signal, until }).catch((error: unknown) => {
      throw databaseError(error instanceof TurnTimeout ? tooLate() : error, signal)
    })
    const loan = await Loan.of({
      connect: () => this.#take(until, signal),
      cancel: client => this.#cancel(client),
      until: now + Math.min(connectTimeoutMs, left),
      signal,
    }).catch((error: unknown) => {
      leave()
      throw error
    })
    const began = performance.now()
    poolWaitSeconds.record((Date.now() - now) / 1000, { pool: this.name })
    const ended = (outcome: 'committed' | 'rolled_back') =>
      transactionSeconds.record((performance.now() - began) / 1000, { pool: this.name, outcome })
    try {
      const result = await fn(loan, settings, signal)
      ended('committed')
      if (loan.answered) this.#answered = Date.now()
      return result
    } catch (error) {
      ended('rolled_back')
      loan.failed(error)
      throw databaseError(error, signal)
    } finally {
      await loan.end()
      leave()
    }
  }

  /** A connection of the pool. One that comes after the call has given up waiting goes back at once. */
  async #take(until: number, signal: AbortSignal | undefined): Promise<pg.PoolClient> {
    const taking = this.#pool.connect()
    let giveUp: (error: unknown) => void = () => undefined
    const over = new Promise<never>((_, reject) => (giveUp = reject))
    const late = () => giveUp(tooLate())
    const timer = setTimeout(late, Math.max(0, until - Date.now()))
    const aborted = () => giveUp(signal?.reason)
    signal?.addEventListener('abort', aborted, { once: true })
    try {
      return await Promise.race([taking, over])
    } catch (error) {
      void taking.then(
        client => client.release(),
        () => undefined,
      )
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
    }
  }

  /** Asks the server to stop what `client` is doing, over a connection of its own (the pool may be all in use). */
  async #cancel(client: pg.PoolClient): Promise<void> {
    const { processID } = client as unknown as { processID: number }
    const other = new pg.Client({ ...this.#config, connectionTimeoutMillis: 2_000, statement_timeout: 2_000 })
    other.on('error', () => undefined) // reported by the query below
    try {
      await other.connect()
      await other.query('select pg_cancel_backend($1)', [processID])
    } catch (error) {
      logger(this.name).warn({ err: error }, 'a cancelled query could not be stopped; its timeout will')
    } finally {
      await other.end().catch(() => undefined)
    }
  }
}

/** As pg's pool says it. */
const tooLate = () => new Error('timeout exceeded when trying to connect')

/** The scope of a family as a setting of its transaction; an id is checked, since it becomes part of a statement. */
function scopeOf(who: Call | string): { familyId: string; call: Call | undefined; scope: string } {
  const familyId = typeof who === 'string' ? who : familyOf(who)
  if (!isId(familyId))
    throw new KeepsakeError({ code: 'NOT_FOUND', reason: 'FAMILY_NOT_FOUND', message: 'There is no such family.' })
  const scope = `set_config('app.family_id', '${familyId}', true)`
  return { familyId, call: typeof who === 'string' ? undefined : who, scope }
}

class OpenTx implements Tx {
  readonly #loan: Loan
  readonly #lead: readonly string[]
  #first: Promise<Answer> | undefined
  /** Whether the first statement was answered: what is asked at the same time waits for it. */
  #begun = false
  #over = false

  constructor(loan: Loan, lead: readonly string[]) {
    this.#loan = loan
    this.#lead = lead
  }

  async one<R>(query: Sql): Promise<R> {
    const row = await this.maybe<R>(query)
    if (row === undefined) throw new Error('the query answered no row where one was due')
    return row
  }

  async maybe<R>(query: Sql): Promise<R | undefined> {
    const rows = await this.many<R>(query)
    if (rows.length > 1) throw new Error(`the query answered ${rows.length} rows where at most one was due`)
    return rows[0]
  }

  async many<R>(query: Sql): Promise<R[]> {
    return rowsOf(await this.#run(query.toQuery())) as R[]
  }

  async changed(query: Sql): Promise<number> {
    return (await this.#run(query.toQuery())).rowCount ?? 0
  }

  /** Commits what was begun, if anything was. */
  async commit(): Promise<void> {
    if (this.#first !== undefined) await this.#run({ text: 'commit', values: [] })
    this.end()
  }

  /** Takes no statement any more: one that somebody forgot to wait for must not begin anything on a connection that goes back. */
  end(): void {
    this.#over = true
  }

  async #run(statement: Statement): Promise<Answer> {
    this.#mustBeOpen()
    if (this.#first === undefined) {
      this.#first = this.#loan.led(this.#lead, statement).finally(() => (this.#begun = true))
      return this.#first
    }
    if (!this.#begun) await this.#first.catch(() => undefined)
    this.#mustBeOpen()
    return this.#loan.run(statement)
  }

  #mustBeOpen(): void {
    if (this.#over) throw new Error('the transaction is over')
  }
}
