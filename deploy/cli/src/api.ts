import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** What a session is made of; `expiresAt` is RFC 3339. */
export interface Tokens {
  accessToken: string
  refreshToken: string
  expiresAt?: string | undefined
}

/** How requests are authenticated: an API key that never changes, or tokens that are renewed and handed to `keep`. */
export type Credentials =
  | { apiKey: string }
  | {
      tokens: Tokens
      keep: (tokens: Tokens) => Promise<void> | void
      reread?: () => Promise<Tokens | undefined>
      /** Another sign-in, for who can have one without a person, where this one has ended. */
      again?: () => Promise<Tokens | undefined>
    }

/** A problem as the API words it (RFC 9457). `status` 0: the server could not be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** One page of a list. */
export interface Page<T> {
  items: T[]
  nextCursor?: string | null
}

/** How a request is made beyond its path. */
export interface RequestOptions {
  body?: unknown
  signal?: AbortSignal | undefined
  /** Milliseconds for the answer's headers and JSON; default 60 s. */
  deadlineMs?: number
  /** Attempts while the server is away or busy (connection errors, 429, 502, 503, 504); default 6. */
  attempts?: number
  headers?: Record<string, string>
}

const busy = new Set([429, 502, 503, 504])

/** A client of the public API. Renews its access token by itself; repeats what may be repeated while the server restarts. */
export class Api {
  readonly base: URL
  private renewing: Promise<void> | undefined

  constructor(
    base: string,
    private credentials?: Credentials,
  ) {
    this.base = new URL(base)
  }

  /** Signs in with a password; throws ApiError WRONG_CREDENTIALS where they do not fit. */
  static async login(base: string, email: string, password: string): Promise<Tokens> {
    return new Api(base).post<Tokens>('/v1/sessions', { email, password })
  }

  get<T>(path: string, options?: RequestOptions): Promise<T> {
    return this.request<T>('GET', path, options)
  }

  post<T>(path: string, body: unknown, options?: RequestOptions): Promise<T> {
    // The key makes a repeated request safe: the server answers the first outcome again.
    return this.request<T>('POST', path, {
      ...options,
      body,
      headers: { 'Idempotency-Key': crypto.randomUUID(), ...options?.headers },
    })
  }

  patch<T>(path: string, body: unknown, options?: RequestOptions): Promise<T> {
    return this.request<T>('PATCH', path, {
      ...options,
      body,
      headers: { 'Idempotency-Key': crypto.randomUUID(), ...options?.headers },
    })
  }

  put<T>(path: string, body: unknown, options?: RequestOptions): Promise<T> {
    return this.request<T>('PUT', path, {
      ...options,
      body,
      headers: { 'Idempotency-Key': crypto.randomUUID(), ...options?.headers },
    })
  }

  /** Every item of a list, page after page. */
  async *list<T>(path: string, options?: RequestOptions): AsyncGenerator<T> {
    let cursor: string | null | undefined
    do {
      const url = new URL(path, this.base)
      if (cursor) url.searchParams.set('cursor', cursor)
      const page: Page<T> = await this.get(url.pathname + url.search, options)
      yield* page.items
      cursor = page.nextCursor
    } while (cursor)
  }

  /** Downloads to a file: written beside it first and renamed, so that a broken download leaves nothing that looks whole. */
  async download(pathOrUrl: string, file: string, options: RequestOptions = {}): Promise<void> {
    const response = await this.fetch('GET', pathOrUrl, options)
    const partial = `${file}.partial`
    try {
      await pipeline(Readable.fromWeb(response.body ?? new Blob([]).stream()), createWriteStream(partial))
      await rename(partial, file)
    } finally {
      await rm(partial, { force: true })
    }
  }

  /** The value of the Authorization header, renewed where it is about to expire. */
  async authorization(): Promise<string | undefined> {
    if (!this.credentials) return undefined
    if ('apiKey' in this.credentials) return `Bearer ${this.credentials.apiKey}`
    const { expiresAt } = this.credentials.tokens
    if (expiresAt && Date.parse(expiresAt) - Date.now() < 30_000) await this.renew()
    return `Bearer ${this.credentials.tokens.accessToken}`
  }

  private async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.fetch(method, path, options)
    const text = await response.text()
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** Sends a request and returns a good answer; anything else becomes an ApiError. */
  private async fetch(method: string, pathOrUrl: string, options: RequestOptions): Promise<Response> {
    const url = new URL(pathOrUrl, this.base)
    const attempts = options.attempts ?? 6
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      // A signed URL at another origin must never see our token.
      const authorization = url.origin === this.base.origin ? await this.authorization() : undefined
      let problem: ApiError
      try {
        const deadline = AbortSignal.timeout(options.deadlineMs ?? 60_000)
        const response = await fetch(url, {
          method,
          headers: {
            Accept: 'application/json',
            ...(options.body !== undefined && { 'Content-Type': 'application/json' }),
            ...(authorization && { Authorization: authorization }),
            ...options.headers,
          },
          ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
          signal: options.signal ? AbortSignal.any([deadline, options.signal]) : deadline,
        })
        if (response.ok) return response
        problem = await problemOf(response)
        if (response.status === 401 && authorization && !renewed && this.credentials && 'tokens' in this.credentials) {
          renewed = true
          await this.renew()
          continue
        }
        if (!busy.has(response.status)) throw problem
      } catch (error) {
        if (error instanceof ApiError) throw error
        if (options.signal?.aborted) throw error
        problem = new ApiError(0, 'UNREACHABLE', `Keepsake does not answer at ${this.base.origin}.`, { cause: error })
      }
      if (attempt >= attempts) throw problem
      await new Promise(resolve => setTimeout(resolve, Math.min(5000, 200 * 2 ** attempt) * (0.5 + Math.random() / 2)))
    }
  }

  /** One renewal at a time: a refresh token works once. */
  private renew(): Promise<void> {
    this.renewing ??= this.renewNow().finally(() => (this.renewing = undefined))
    return this.renewing
  }

  private async renewNow(): Promise<void> {
    const credentials = this.credentials
    if (!credentials || !('tokens' in credentials)) return
    // Another process of the same person may have renewed meanwhile; its tokens are the living ones.
    const stored = await credentials.reread?.()
    if (stored && stored.refreshToken !== credentials.tokens.refreshToken) {
      this.credentials = { ...credentials, tokens: stored }
      return
    }
    const tokens = await new Api(this.base.href)
      .post<Tokens>('/v1/sessions/refresh', { refreshToken: credentials.tokens.refreshToken })
      .catch(async (ended: unknown) => {
        const others = ended instanceof ApiError && ended.status === 401 ? await credentials.again?.() : undefined
        if (!others) throw ended
        return others
      })
    this.credentials = { ...credentials, tokens: { ...credentials.tokens, ...tokens } }
    await credentials.keep({ ...credentials.tokens, ...tokens })
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '')
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; title?: string }
    return new ApiError(
      response.status,
      problem.code ?? 'UNKNOWN',
      problem.detail ?? problem.title ?? `Keepsake answered ${response.status}.`,
    )
  } catch {
    return new ApiError(response.status, 'UNKNOWN', `Keepsake answered ${response.status}.`)
  }
}
