import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'minio'
import { signV4 } from 'minio/dist/esm/signing.mjs'
import { ChunkSigner, signedChunkBytes, signedChunks, signedLength } from './aws-chunked.js'
import type { PutOptions, StoredObject } from './object-store.js'
import { requireFits } from './put-limits.js'
import type { S3Address } from './s3-address.js'
import { isPassing, S3Refusal } from './s3-failure.js'

/** What a request belongs to; the transport below finds it, because the client hands neither signals nor deadlines down. */
interface Attempt {
  signal: AbortSignal | undefined
  /** The body of the answer is read at the reader's pace. */
  streamed: boolean
  /** Status of the last answer; 0 before there is one. */
  status: number
}

/** How a request is tried. */
export interface Tries {
  signal?: AbortSignal | undefined
  /** How often at most; 1 where a second time would do harm or cannot be. Default 5: over about three seconds. */
  tries?: number
  /** The answer's body is handed out as a stream. */
  streamed?: boolean
}

/** A server that says nothing for so long (ms) has gone. */
export const silenceMs = 30_000

/** Composing many gigabytes inside the store may take a while before the first byte of the answer (ms). */
const answerMs = 300_000

/** Statuses that the client answers with an error before it has read the body (its own list). */
const leftUnread = new Set([408, 429, 499, 500, 502, 503, 504, 520])

const firstPauseMs = 100
const longestPauseMs = 1600

/**
 * The `minio` client with what it lacks for a service: a deadline on every request, an end by signal, errors that keep their status, tries again
 * that are bounded and silent, and uploads that stream. (Its own putObject holds 64 MiB of each, goes on with unfinished uploads of the same key
 * whoever began them, and leaves its own behind when it fails.)
 */
export class S3Client extends Client {
  readonly #attempts = new AsyncLocalStorage<Attempt>()
  readonly #secret: string

  constructor(private readonly address: S3Address) {
    const { endpoint, region, style, accessKey, secretKey } = address
    const secure = endpoint.protocol === 'https:'
    const agent = new (secure ? https : http).Agent({
      keepAlive: true,
      maxFreeSockets: 32,
      // A kept connection is dropped before the server does it: a request with a streamed body cannot be sent twice.
      timeout: 4000,
    })
    super({
      endPoint: endpoint.hostname.replace(/^\[|\]$/g, ''),
      port: Number(endpoint.port) || (secure ? 443 : 80),
      useSSL: secure,
      accessKey,
      secretKey,
      region,
      pathStyle: style === 'path',
      transportAgent: agent,
      transport: { request: (options: https.RequestOptions, done: Done) => this.#send(options, done) } as never,
      retryOptions: { disableRetry: true },
    })
    this.#secret = secretKey
  }

  /** Lets go of the kept connections. */
  close(): void {
    this.transportAgent.destroy()
  }

  /** Runs calls of the client. Errors are S3Refusal where S3 answered, the socket's own otherwise, the signal's reason where it ended the call. */
  async attempt<T>(call: () => Promise<T>, { signal, tries = 5, streamed = false }: Tries = {}): Promise<T> {
    for (let pauseMs = firstPauseMs, left = tries - 1; ; left--) {
      signal?.throwIfAborted()
      const attempt: Attempt = { signal, streamed, status: 0 }
      try {
        return await this.#attempts.run(attempt, call)
      } catch (error) {
        signal?.throwIfAborted()
        const failure = refusalOf(error, attempt)
        if (left <= 0 || !isPassing(failure)) throw failure
      }
      await sleep(pauseMs * (0.5 + Math.random()), undefined, signal ? { signal } : {})
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }

  /**
   * Streams a body of at most `announced` bytes into an object; what it lacks at its end is sent as zeros. Answers the size and hash of the body
   * itself. Nothing is stored when it fails. Over plain HTTP the bytes are signed in chunks, so that none can change on their way.
   */
  async putStream(
    name: string,
    body: AsyncIterable<unknown>,
    options: Pick<PutOptions, 'maxBytes' | 'signal'> & {
      announced: number
      headers: Record<string, string>
      /** For a part of a multipart upload. */
      query?: string
    },
  ): Promise<StoredObject & { etag: string }> {
    const { announced, signal } = options
    const plain = this.protocol === 'http:'
    const date = new Date()
    const stamp = date.toISOString().replace(/[-:]|\.\d+/g, '')
    const region = this.address.region
    const request = this.getRequestOptions({
      method: 'PUT',
      bucketName: this.address.bucket,
      objectName: name,
      region,
      ...(options.query === undefined ? {} : { query: options.query }),
      headers: {
        ...options.headers,
        'x-amz-date': stamp,
        'x-amz-content-sha256': plain ? signedChunks : 'UNSIGNED-PAYLOAD',
        'content-length': String(plain ? signedLength(announced) : announced),
        ...(plain ? { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(announced) } : {}),
      },
    })
    const { accessKey } = this.address
    request.headers['authorization'] = signV4(
      request,
      accessKey,
      this.#secret,
      region,
      date,
      request.headers['x-amz-content-sha256'] ?? '',
    )
    const signer = plain
      ? new ChunkSigner({ date: stamp, region, secretKey: this.#secret, signature: signatureIn(request.headers) })
      : undefined

    signal?.throwIfAborted()
    const out = new Outgoing(plain ? http.request(request) : https.request(request), signer)
    const hash = createHash('sha256')
    let size = 0
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted()
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
        size += bytes.byteLength
        requireFits(size, options)
        hash.update(bytes)
        await out.write(bytes)
      }
      signal?.throwIfAborted()
      for (let missing = announced - size; missing > 0; missing -= zeros.length) {
        await out.write(zeros.subarray(0, Math.min(missing, zeros.length)))
      }
      const response = await out.finish()
      const text = await readText(response)
      if (response.statusCode !== 200) throw refusalIn(response.statusCode ?? 0, text)
      return { size, sha256: hash.digest('hex'), etag: (response.headers.etag ?? '').replaceAll('"', '') }
    } catch (error) {
      out.abandon()
      signal?.throwIfAborted()
      throw error
    }
  }

  #send(options: https.RequestOptions, done: Done): http.ClientRequest {
    const attempt = this.#attempts.getStore()
    const signal = attempt?.signal ? { signal: attempt.signal } : {}
    const transport = this.protocol === 'https:' ? https : http
    const request = transport.request({ ...options, ...signal }, response => {
      if (attempt) attempt.status = response.statusCode ?? 0
      request.setTimeout(attempt?.streamed === true ? 0 : silenceMs)
      if (leftUnread.has(response.statusCode ?? 0)) response.resume()
      done(response)
    })
    request.setTimeout(options.method === 'POST' || options.method === 'PUT' ? answerMs : silenceMs)
    request.on('timeout', () => request.destroy(stalled()))
    return request
  }
}

type Done = (response: http.IncomingMessage) => void

const zeros = Buffer.alloc(signedChunkBytes)

/** A request whose body is being written; it knows when the other side has answered early or gone. */
class Outgoing {
  readonly #answer: Promise<http.IncomingMessage>
  #pieces: Uint8Array[] = []
  #held = 0

  constructor(
    private readonly request: http.ClientRequest,
    private readonly signer: ChunkSigner | undefined,
  ) {
    this.#answer = new Promise((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
      request.once('close', () => reject(Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' })))
    })
    this.#answer.catch(() => undefined)
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.signer) return this.#send([bytes])
    for (let at = 0; at < bytes.byteLength;) {
      const piece = bytes.subarray(at, at + signedChunkBytes - this.#held)
      this.#pieces.push(piece)
      this.#held += piece.byteLength
      at += piece.byteLength
      if (this.#held === signedChunkBytes) await this.#flush(this.signer)
    }
  }

  async finish(): Promise<http.IncomingMessage> {
    if (this.signer) {
      if (this.#held > 0) await this.#flush(this.signer)
      await this.#flush(this.signer)
    }
    this.request.end()
    return this.#soon(this.#answer, answerMs)
  }

  abandon(): void {
    this.request.destroy()
  }

  async #flush(signer: ChunkSigner): Promise<void> {
    const pieces = this.#pieces
    this.#pieces = []
    this.#held = 0
    await this.#send([Buffer.from(signer.head(pieces), 'latin1'), ...pieces, lineEnd])
  }

  async #send(pieces: readonly Uint8Array[]): Promise<void> {
    this.request.cork()
    let room = true
    for (const piece of pieces) room = this.request.write(piece)
    this.request.uncork()
    if (room && !this.request.destroyed) return
    const drained = this.request.destroyed ? new Promise<never>(() => undefined) : once(this.request, 'drain')
    const first = await this.#soon(Promise.race([drained, this.#answer]), silenceMs)
    if (first instanceof http.IncomingMessage) throw refusalIn(first.statusCode ?? 0, await readText(first))
  }

  async #soon<T>(promise: Promise<T>, ms: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(stalled()), ms)))
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

const lineEnd = Buffer.from('\r\n')

/** The error of a server that stopped answering. */
export const stalled = () => Object.assign(new Error('the object store stopped answering'), { code: 'ETIMEDOUT' })

const signatureIn = (headers: Record<string, string>) =>
  /Signature=([0-9a-f]+)/.exec(headers['authorization'] ?? '')?.[1] ?? ''

async function readText(response: http.IncomingMessage): Promise<string> {
  response.setTimeout(silenceMs, () => response.destroy(stalled()))
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** The refusal in an answer's XML. */
export function refusalIn(status: number, xml: string): S3Refusal {
  const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
  return new S3Refusal(status, field('Code'), field('Message'))
}

function refusalOf(error: unknown, attempt: Attempt): unknown {
  if (attempt.status < 300 && !(error instanceof Error && error.name === 'S3Error')) return error
  const { code = '', message = '' } = error as { code?: unknown; message?: unknown }
  return new S3Refusal(attempt.status, String(code), String(message))
}
