import pg from 'pg'

/** A connection of pg with nothing of ours around it. */
export interface BareClient {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>
  release(): void
}

/** pg's own pool, for benches that compare us with what one would write by hand. */
export interface BarePool {
  connect(): Promise<BareClient>
  end(): Promise<void>
}

/** @param max connections at most */
export function barePool(url: string, max: number): BarePool {
  return new pg.Pool({ connectionString: url, max })
}
