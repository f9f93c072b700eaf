import pg from 'pg'

/** What one statement answers: its columns, its rows as arrays, and how many rows it touched. */
export type Answer = pg.QueryArrayResult<unknown[]>

/** The statement as pg takes it. */
export type Statement = { readonly text: string; readonly values: readonly unknown[] }

/** What pg's query does with the server's messages; its types name only `submit`. */
interface PgQuery {
  submit(connection: PgConnection): Error | null
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: PgConnection): void
}

interface PgConnection {
  readonly stream: { cork?(): void; uncork?(): void }
  parse(message: { text: string }): void
  bind(message: object): void
  execute(message: object): void
}

type Done = (error: Error | undefined | null, answer: Answer) => void

const Base = pg.Query as unknown as new (config: object, done: Done) => PgQuery

/**
 * A statement with others before it that have no parameters and whose rows nobody wants, all sent at once and closed by one Sync: when one fails the
 * server skips the rest, so the statement never runs without what leads it.
 */
class LedQuery extends Base {
  /** Commands of the lead that the server has not completed. */
  #ahead: number

  constructor(
    private readonly lead: readonly string[],
    statement: Statement,
    done: Done,
  ) {
    // Extended also without parameters: a simple query would end the lead's transaction before it began.
    super({ ...statement, rowMode: 'array', queryMode: 'extended' }, done)
    this.#ahead = lead.length
  }

  override submit(connection: PgConnection): Error | null {
    connection.stream.cork?.()
    try {
      for (const text of this.lead) {
        connection.parse({ text })
        connection.bind({})
        connection.execute({})
      }
      return super.submit(connection)
    } finally {
      connection.stream.uncork?.()
    }
  }

  override handleDataRow(message: unknown): void {
    if (this.#ahead === 0) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: PgConnection): void {
    if (this.#ahead === 0) super.handleCommandComplete(message, connection)
    else this.#ahead--
  }
}

/**
 * Runs the statement behind the `lead` in one round trip. Outside a transaction block all of it is one transaction, committed when this resolves.
 * @throws what the server says of the first of them that fails
 */
export function runLed(client: pg.ClientBase, lead: readonly string[], statement: Statement): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const done: Done = (error, answer) => (error ? reject(error) : resolve(answer))
    client.query(new LedQuery(lead, statement, done) as unknown as pg.Submittable)
  }).catch((error: unknown) => {
    if (error instanceof Error) Error.captureStackTrace(error) // else it leads to the socket, not to who asked
    throw error
  })
}

/** Runs a statement by itself, inside whatever transaction is open. */
export function runAlone(client: pg.ClientBase, statement: Statement): Promise<Answer> {
  return client.query({ text: statement.text, values: [...statement.values], rowMode: 'array' })
}
