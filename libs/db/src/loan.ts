import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { databaseError, isConnectionLost } from './errors.js'
import { runAlone, runLed, type Answer, type Statement } from './led-query.js'

/** The longest pause between two tries, ms. */
const longestPauseMs = 500

/** What a loan is taken from. */
export interface Lender {
  /** A connection of the pool. Rejects when it has none in time, or the server is away. */
  connect(): Promise<pg.PoolClient>
  /** Asks the server to stop what the connection is doing. Never rejects. */
  cancel(client: pg.PoolClient): Promise<void>
  /** While the server is away it is tried again until then, epoch ms. */
  readonly until: number
  readonly signal: AbortSignal | undefined
}

/** A connection of the pool, lent for one transaction. An abort of the signal stops the statement that runs. */
export class Loan {
  readonly #lender: Lender
  #client: pg.PoolClient | undefined
  #broken: Error | undefined
  #cancelling: Promise<void> | undefined
  #pauseMs = 20
  #over = false
  /** Whether the server has answered a statement of it. */
  answered = false
  readonly #onError = (error: Error) => (this.#broken = error)
  readonly #onAbort = () => (this.#cancelling ??= this.#client && this.#lender.cancel(this.#client))

  private constructor(lender: Lender) {
    this.#lender = lender
  }

  /** Takes a connection, waiting for a server that is away. */
  static async of(lender: Lender): Promise<Loan> {
    const loan = new Loan(lender)
    await loan.#take()
    lender.signal?.addEventListener('abort', loan.#onAbort, { once: true })
    return loan
  }

  /**
   * Runs the first statement behind its `lead`. Where the connection turns out to be lost, both are tried again on another one while the server may come
   * back: a transaction that the lead opened was never committed. Without one (see `runLed`) the statement may have been, and must bear that.
   */
  async led(lead: readonly string[], statement: Statement): Promise<Answer> {
    for (;;) {
      try {
        const answer = await runLed(this.#lent, lead, statement)
        this.answered = true
        return answer
      } catch (error) {
        // Whoever ended the loan meanwhile waits for nothing of it any more.
        if (this.#over || !isConnectionLost(error)) throw error
        this.#return(error as Error)
        await this.#pause(error)
        await this.#take()
        if (this.#over) {
          this.#return(undefined)
          throw error
        }
      }
    }
  }

  /** Runs a statement in the transaction that is open. */
  run(statement: Statement): Promise<Answer> {
    return runAlone(this.#lent, statement)
  }

  /** Gives up the transaction that `error` ended. */
  async rollBack(error: unknown): Promise<void> {
    await this.#cancelled() // else the cancellation could hit the rollback
    if (this.#broken === undefined && !isConnectionLost(error))
      await this.#client?.query('rollback').catch((failure: Error) => (this.#broken = failure))
  }

  /** Takes note of an error that may mean that the connection cannot be used again. */
  failed(error: unknown): void {
    if (isConnectionLost(error)) this.#broken ??= error as Error
  }

  /** Gives the connection back; one that broke is not used again. */
  async end(): Promise<void> {
    this.#over = true
    await this.#cancelled() // else it could hit the next user of this connection
    this.#return(this.#broken)
  }

  get #lent(): pg.PoolClient {
    if (this.#client === undefined) throw new Error('the transaction is over')
    return this.#client
  }

  async #cancelled(): Promise<void> {
    this.#lender.signal?.removeEventListener('abort', this.#onAbort)
    await this.#cancelling
  }

  async #take(): Promise<void> {
    for (;;) {
      try {
        this.#client = await this.#lender.connect()
        break
      } catch (error) {
        await this.#pause(error)
      }
    }
    this.#broken = undefined
    this.#client.on('error', this.#onError)
  }

  #return(broken: Error | undefined): void {
    const client = this.#client
    this.#client = undefined
    client?.off('error', this.#onError)
    client?.release(broken)
  }

  /** Waits before the next try; throws what the last one met when there is to be none. */
  async #pause(error: unknown): Promise<void> {
    const { signal, until } = this.#lender
    const gone = databaseError(error, signal)
    if (!isConnectionLost(error) || signal?.aborted === true || Date.now() + this.#pauseMs > until) throw gone
    await sleep(this.#pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw gone // what the call waited for says more than that its time is over
    })
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
  }
}
