import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KeepsakeError } from '@keepsake/rpc'
import { planParts, type Stretch } from './compose-plan.js'
import { mediaError } from './errors.js'
import { Gate } from './gate.js'
import { requireObjectKey, requirePrefix } from './object-key.js'
import type {
  ByteRange,
  ComposeOptions,
  GetOptions,
  ObjectEntry,
  ObjectPart,
  ObjectStat,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoredObject,
} from './object-store.js'
import { requireFits } from './put-limits.js'
import { s3Location, type S3Address } from './s3-address.js'
import { refusalIn, S3Client, silenceMs, stalled } from './s3-client.js'
import { isPassing, S3Refusal, storeFailure } from './s3-failure.js'
import { presignS3Url } from './s3-presign.js'
import { signObjectUrl } from './signed-url.js'

/** What the S3 adapter needs. */
export interface S3ObjectStoreOptions {
  address: S3Address
  /** Secret of URLs that the gateway serves, at least 16 characters. Without it and without `publicEndpoint`, `signedUrl` fails. */
  urlKey?: string
  /** Where browsers reach the store. With it URLs lead there; without it to the gateway, which passes the bytes on. */
  publicEndpoint?: URL
}

const mebi = 1024 * 1024

/** The smallest part that S3 takes (but for the last): so much of a body of unknown length is held. */
const partBytes = 5 * mebi

/** The largest body of one request, and what is copied inside the store at a time: smaller is quicker, because pieces go side by side. S3 allows 5 GiB. */
const largestPut = 5 * 1024 * mebi
const largestCopy = 256 * mebi

/** Bodies of unknown length that are gathered at once in this process: each holds up to one part. */
const mostGathered = 6
/** Requests at once that one compose or removal makes. */
const sideBySide = 4

/** How often a broken read goes on where it was. */
const readTries = 5

/** Left over from a crash when older (ms). */
const staleMs = 24 * 3600 * 1000
const scratchPrefix = 'keepsake-object-'

/** Parts of uploads carry it, so that a lifecycle rule can tell what was left over. */
export const uploadPartTag = { key: 'keepsake', value: 'upload-part' } as const
const isUploadPart = (key: string) => /^families\/[^/]+\/uploads\//.test(key)

/** Where the multipart upload stands that the parts of an upload go into; beside those parts. */
const assemblyName = 'assembly'
const isAssembly = (key: string) => isUploadPart(key) && key.endsWith(`/${assemblyName}`)
const assemblyOf = (key: string) => `${key.slice(0, key.lastIndexOf('/'))}/${assemblyName}`

/** So large a part must be to go straight into its target: the first one decides, and small files are copied quicker than assembled. */
const directBytes = 8 * mebi
/** Multipart uploads of targets that are remembered by this process. */
const mostAssemblies = 2000

/** What is kept under the key of a part whose bytes went straight into the multipart upload of its target. */
interface DirectPart {
  upload: string
  number: number
  etag: string
  /** Bytes of the part in the target, with its padding. */
  length: number
  /** Bytes of its body. */
  size: number
}

/** A piece of a target that was sent or copied. */
interface DonePart {
  number: number
  etag: string
}

/**
 * Objects in a bucket of any S3 store. A put is one request or a multipart upload: the store shows it whole or not at all. The SHA-256 stands in
 * the metadata (`x-amz-meta-sha256`) of what was whole in memory or whose hash was known beforehand; S3 takes no metadata after the bytes.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client
  readonly #address: S3Address
  readonly #gathering = new Gate(mostGathered)
  /** Multipart upload by target. */
  readonly #assemblies = new Map<string, string>()
  #swept = false

  constructor(private readonly options: S3ObjectStoreOptions) {
    this.#address = options.address
    this.#client = new S3Client(options.address)
  }

  /** Lets go of the connections that are kept for the next request. */
  close(): void {
    this.#client.close()
  }

  async put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<StoredObject> {
    requireObjectKey(key)
    return this.#writing(async () => {
      if (body instanceof Uint8Array) {
        requireFits(body.byteLength, options)
        if (body.byteLength <= 64 * mebi) return this.#putBuffer(key, asBuffer(body), options)
        return this.#putGathered(key, slices(body), options)
      }
      const { announced } = options
      if (announced === undefined || announced > largestPut || announced === 0) {
        return this.#putGathered(key, body, options)
      }
      const direct = await this.#putIntoTarget(key, body, { ...options, announced })
      if (direct) return direct
      const { size, sha256 } = await this.#client.putStream(this.#name(key), body, {
        ...limitsOf(options),
        announced,
        headers: this.#headers(key, options),
      })
      return { size, sha256 }
    })
  }

  get(key: string, options: GetOptions = {}): Readable {
    requireObjectKey(key)
    // A reader that goes away must not wait for the next bytes to arrive.
    const left = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal
    const chunks = this.#read(key, options.range, signal)
    const stream = Readable.from(chunks, { objectMode: false, highWaterMark: 256 * 1024 })
    stream.once('close', () => left.abort())
    return stream
  }

  async stat(key: string): Promise<ObjectStat | undefined> {
    const found = await this.#stat(requireObjectKey(key))
    return found && { size: found.size, contentType: found.contentType, etag: found.etag, modifiedAt: found.modifiedAt }
  }

  async compose(
    parts: readonly (string | ObjectPart)[],
    target: string,
    options: ComposeOptions,
  ): Promise<StoredObject> {
    requireObjectKey(target)
    const named = parts.map(part => (typeof part === 'string' ? { key: part } : part))
    for (const { key } of named) requireObjectKey(key)
    const { signal } = options
    return this.#writing(async () => {
      const sources = await inParallel(named, sideBySide * 2, async part => {
        signal?.throwIfAborted()
        const found = await this.#stat(part.key)
        if (!found) throw mediaError('OBJECT_NOT_FOUND', { details: { key: part.key } })
        const direct = directPart(found.meta['part'])
        const size = part.size ?? direct?.size ?? found.size
        if ((direct?.length ?? found.size) < size) throw mediaError('RANGE_INVALID', { details: { key: part.key } })
        return { key: part.key, size, whole: found.size, sha256: found.sha256, direct }
      })
      if (sources.some(source => source.direct !== undefined)) return this.#assemble(sources, target, options)
      const size = sources.reduce((sum, source) => sum + source.size, 0)
      const [first] = sources
      if (sources.length === 1 && first && first.size === first.whole && size > 0 && size <= largestCopy) {
        const sha256 = options.sha256 ?? first.sha256 ?? (await this.#hash([first], signal))
        await this.#copy(first.key, target, { ...options, sha256 })
        return { size, sha256 }
      }
      if (size < partBytes) {
        const bytes = await this.#gather(wholly(sources), signal)
        return this.#putBuffer(target, bytes, options)
      }
      const stop = new AbortController()
      const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
      const hashing = options.sha256 === undefined ? this.#hash(sources, both) : Promise.resolve(options.sha256)
      // The hash of known bytes can be told to the store before it has them; another one is known only when it is too late.
      const joining = this.#join(sources, target, options, both)
      try {
        const [sha256] = await Promise.all([hashing, joining])
        return { size, sha256 }
      } catch (error) {
        stop.abort()
        await Promise.allSettled([hashing, joining])
        throw error
      }
    })
  }

  async remove(key: string): Promise<boolean> {
    requireObjectKey(key)
    return this.#writing(async () => {
      if ((await this.#stat(key)) === undefined) return false
      await this.#giveUp([key])
      await this.#client.attempt(() => this.#client.removeObject(this.#address.bucket, this.#name(key)))
      return true
    })
  }

  async removePrefix(prefix: string): Promise<number> {
    requirePrefix(prefix, false)
    return this.#writing(async () => {
      let removed = 0
      for await (const page of this.#pages(prefix)) {
        if (page.length === 0) continue
        await this.#giveUp(page.map(entry => entry.key))
        const names = page.map(entry => this.#name(entry.key))
        const answers = await this.#client.attempt(() => this.#client.removeObjects(this.#address.bucket, names))
        const failed = answers.find(answer => answer?.Error)?.Error
        if (failed) throw new S3Refusal(0, String(failed.Code ?? ''), String(failed.Message ?? ''))
        removed += names.length
      }
      return removed
    })
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    requirePrefix(prefix, true)
    for await (const page of this.#pages(prefix)) yield* page
  }

  signedUrl(key: string, options: SignedUrlOptions): string {
    const { address, publicEndpoint, urlKey } = this.options
    if (publicEndpoint) return presignS3Url(address, publicEndpoint, key, options)
    if (urlKey === undefined || urlKey.length < 16) {
      throw new KeepsakeError({
        code: 'FAILED_PRECONDITION',
        reason: 'OBJECTS_URL_KEY_MISSING',
        message: 'Signed links need KEEPSAKE_OBJECTS_URL_KEY, a secret of at least 16 characters.',
      })
    }
    return signObjectUrl(urlKey, '', key, options)
  }

  async withFile<T>(key: string, fn: (path: string) => Promise<T>, options: { signal?: AbortSignal } = {}): Promise<T> {
    requireObjectKey(key)
    options.signal?.throwIfAborted()
    await this.#sweep()
    const folder = await mkdtemp(join(tmpdir(), scratchPrefix))
    try {
      const path = join(folder, 'object')
      await pipeline(this.get(key, options), createWriteStream(path, { mode: 0o600 })).catch((error: unknown) => {
        throw isScratchFull(error) ? mediaError('STORAGE_FULL', { cause: error }) : storeFailure(error, false)
      })
      return await fn(path)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  // --- names and headers

  #name(key: string): string {
    const { prefix } = this.#address
    return prefix === '' ? key : `${prefix}/${key}`
  }

  #headers(key: string, options: { contentType: string; ifAbsent?: boolean }, sha256?: string): Record<string, string> {
    return {
      'content-type': options.contentType,
      ...(options.ifAbsent === true ? { 'if-none-match': '*' } : {}),
      ...(sha256 === undefined ? {} : { 'x-amz-meta-sha256': sha256 }),
      ...this.#tags(key),
    }
  }

  #tags(key: string): Record<string, string> {
    return this.#address.tags && isUploadPart(key)
      ? { 'x-amz-tagging': `${uploadPartTag.key}=${uploadPartTag.value}` }
      : {}
  }

  /** As the value of x-amz-copy-source. */
  #source(key: string): string {
    const { path } = s3Location({ ...this.#address, style: 'path' }, this.#address.endpoint, key)
    return path
  }

  // --- reading

  async #stat(key: string): Promise<FoundObject | undefined> {
    try {
      const found = await this.#client.attempt(() => this.#client.statObject(this.#address.bucket, this.#name(key)))
      const meta = found.metaData as Record<string, string | undefined>
      const { 'content-type': contentType, sha256 } = meta
      return {
        size: found.size,
        contentType: contentType ?? 'application/octet-stream',
        etag: found.etag,
        modifiedAt: found.lastModified,
        sha256: sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined,
        meta,
      }
    } catch (error) {
      const failure = storeFailure(error, false)
      if (KeepsakeError.is(failure) && failure.reason === 'OBJECT_NOT_FOUND') return undefined
      throw failure
    }
  }

  /** Reads on where a connection broke, as long as the object is the same. */
  async *#read(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
    sameAs?: string,
  ): AsyncGenerator<Uint8Array> {
    let at = range?.start ?? 0
    const last = range?.end
    const wrong = !Number.isSafeInteger(at) || at < 0 || (last !== undefined && !(last >= at))
    if (wrong) throw mediaError('RANGE_INVALID')
    let until: number | undefined
    let etag = sameAs
    for (let left = readTries; ;) {
      try {
        const response = await this.#open(
          key,
          range !== undefined || at > 0 ? { from: at, to: last } : undefined,
          etag,
          signal,
        )
        etag ??= response.headers.etag
        until ??= at + Number(response.headers['content-length'])
        for await (const chunk of chunksOf(response)) {
          at += chunk.byteLength
          left = readTries
          yield chunk
        }
        if (at >= until) return
        throw stalled()
      } catch (error) {
        signal.throwIfAborted()
        // Once bytes were handed out, an object that is another one now cannot be gone on with.
        if (--left <= 0 || !isPassing(error)) throw storeFailure(error, false)
      }
    }
  }

  #open(
    key: string,
    range: { from: number; to: number | undefined } | undefined,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return this.#client.attempt(
      () =>
        this.#client.makeRequestAsync(
          {
            method: 'GET',
            bucketName: this.#address.bucket,
            objectName: this.#name(key),
            headers: {
              ...(range && { range: `bytes=${range.from}-${range.to ?? ''}` }),
              ...(etag !== undefined && { 'if-match': etag }),
            },
          },
          '',
          [200, 206],
        ),
      { signal, streamed: true },
    )
  }

  async *#pages(prefix: string): AsyncGenerator<ObjectEntry[]> {
    const { bucket, prefix: own } = this.#address
    const from = own === '' ? prefix : `${own}/${prefix}`
    const skip = own === '' ? 0 : own.length + 1
    try {
      for (let token = ''; ;) {
        const after = token
        const page = await this.#client.attempt(() =>
          this.#client.listObjectsV2Query(bucket, from, after, '', 1000, ''),
        )
        yield (page.objects as { name?: string; size: number; lastModified?: Date }[]).flatMap(
          ({ name, size, lastModified }) =>
            name === undefined || name.endsWith('/')
              ? []
              : [{ key: name.slice(skip), size, modifiedAt: lastModified ?? new Date(0) }],
        )
        if (!page.isTruncated || page.nextContinuationToken === '') return
        token = page.nextContinuationToken
      }
    } catch (error) {
      throw storeFailure(error, false)
    }
  }

  async #hash(sources: readonly { key: string; size: number }[], signal: AbortSignal | undefined): Promise<string> {
    const hash = createHash('sha256')
    for await (const chunk of this.#bytes(wholly(sources), signal)) hash.update(chunk)
    return hash.digest('hex')
  }

  async *#bytes(stretches: Iterable<KeyStretch>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    for (const { key, from, to, etag } of stretches) {
      yield* this.#read(key, { start: from, end: to }, signal ?? never, etag)
    }
  }

  async #gather(stretches: Iterable<KeyStretch>, signal: AbortSignal | undefined): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#bytes(stretches, signal)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  // --- writing

  async #writing<T>(fn: () => Promise<T>): Promise<T> {
    try {
      return await fn()
    } catch (error) {
      throw storeFailure(error, true)
    }
  }

  async #putBuffer(
    key: string,
    bytes: Buffer,
    options: Pick<PutOptions, 'contentType' | 'ifAbsent' | 'signal'>,
  ): Promise<StoredObject> {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const headers = this.#headers(key, options, sha256)
    const { bucket: bucketName } = this.#address
    await this.#client.attempt(
      () =>
        this.#client.makeRequestAsyncOmit({ method: 'PUT', bucketName, objectName: this.#name(key), headers }, bytes),
      // Tried again after an answer that was lost, ifAbsent would find its own bytes.
      { signal: options.signal, ...(options.ifAbsent === true ? { tries: 1 } : {}) },
    )
    return { size: bytes.byteLength, sha256 }
  }

  /** A body of unknown length: one request when it is small, a multipart upload otherwise. */
  async #putGathered(
    key: string,
    body: AsyncIterable<unknown> | Iterable<Uint8Array>,
    options: PutOptions,
  ): Promise<StoredObject> {
    const hash = createHash('sha256')
    let size = 0
    let chunks: Uint8Array[] = []
    let held = 0
    let target: MultipartTarget | undefined
    let leave: (() => void) | undefined
    const { signal } = options
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted()
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
        size += bytes.byteLength
        requireFits(size, options)
        hash.update(bytes)
        // Small bodies pass; what grows waits for its turn to hold so much memory.
        if (held + bytes.byteLength > partBytes / 10) leave ??= await this.#gathering.enter(signal)
        chunks.push(bytes)
        held += bytes.byteLength
        if (held < partBytes) continue
        target ??= await this.#begin(key, options)
        await target.send(Buffer.concat(chunks))
        chunks = []
        held = 0
      }
      signal?.throwIfAborted()
      const rest = Buffer.concat(chunks)
      if (!target) return await this.#putBuffer(key, rest, options)
      if (rest.byteLength > 0) await target.send(rest)
      await target.complete(options.ifAbsent === true)
      return { size, sha256: hash.digest('hex') }
    } catch (error) {
      await target?.abort()
      throw error
    } finally {
      leave?.()
    }
  }

  /** CopyObject inside the store, with metadata of its own. */
  async #copy(from: string, to: string, options: ComposeOptions & { sha256: string }): Promise<void> {
    const headers = {
      ...this.#headers(to, options, options.sha256),
      'x-amz-copy-source': this.#source(from),
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-tagging-directive': 'REPLACE',
    }
    await this.#client.attempt(
      async () => {
        const response = await this.#client.makeRequestAsync({
          method: 'PUT',
          bucketName: this.#address.bucket,
          objectName: this.#name(to),
          headers,
        })
        await requireResult(response)
      },
      { signal: options.signal },
    )
  }

  /** Makes the target of its sources: what is large is copied inside the store. */
  async #join(sources: readonly Source[], to: string, options: ComposeOptions, signal: AbortSignal): Promise<void> {
    const target = await this.#begin(to, { ...options, signal }, options.sha256)
    try {
      await this.#append(target, sources, 0, signal)
      await target.complete(false)
    } catch (error) {
      await target.abort()
      throw error
    }
  }

  /** Adds sources to a multipart upload behind the part of this number. */
  async #append(
    target: MultipartTarget,
    sources: readonly Source[],
    after: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const plan = planParts(
      sources.map(source => source.size),
      { smallest: partBytes, largest: largestCopy },
    )
    const named = ({ source, from, to: end }: Stretch): KeyStretch => {
      const { key = '', base = 0, etag } = sources[source] ?? {}
      return { key, from: base + from, to: base + end, ...(etag === undefined ? {} : { etag }) }
    }
    await inParallel(plan, sideBySide, async (part, i) => {
      const number = after + i + 1
      if (part.kind === 'copy') {
        const { key, from, to: end, etag } = named(part.stretch)
        return target.copy(number, this.#source(key), from, end, etag)
      }
      const leave = await this.#gathering.enter(signal)
      try {
        return await target.send(await this.#gather(part.stretches.map(named), signal), number)
      } finally {
        leave()
      }
    })
  }

  // --- parts that go straight into their target

  /**
   * Sends a part into the multipart upload of its target, and leaves a note of that under the part's key. Undefined where it is too small for that: then it is
   * an object of its own.
   */
  async #putIntoTarget(
    key: string,
    body: Readable,
    options: PutOptions & { announced: number },
  ): Promise<StoredObject | undefined> {
    const { partOf, announced } = options
    if (partOf === undefined || !isUploadPart(key)) return undefined
    // A part that ends early stands in the middle then, where none may be small: only a large one is sent before it is whole.
    if (announced < directBytes) return undefined
    const upload = await this.#assembly(key, partOf.target, options)
    const sent = this.#client.putStream(this.#name(partOf.target), body, {
      ...limitsOf(options),
      announced,
      headers: {},
      query: `partNumber=${partOf.number}&uploadId=${encodeURIComponent(upload)}`,
    })
    const { size, sha256, etag } = await sent.catch(async (error: unknown) => {
      if (!(error instanceof S3Refusal) || error.code !== 'NoSuchUpload') throw error
      // The store has given it up (it was left alone for too long): the next try begins another one.
      this.#assemblies.delete(partOf.target)
      const place = this.#name(assemblyOf(key))
      await this.#client.attempt(() => this.#client.removeObject(this.#address.bucket, place))
      throw mediaError('STORAGE_FAILED', { cause: error })
    })
    const note = `${partOf.number} ${etag} ${announced} ${size} ${upload}`
    await this.#putNote(key, { 'x-amz-meta-part': note }, options.signal)
    return { size, sha256 }
  }

  /** The multipart upload of a target: begun by the first part, found by every process. */
  async #assembly(key: string, target: string, options: PutOptions): Promise<string> {
    const known = this.#assemblies.get(target)
    if (known !== undefined) return known
    const place = assemblyOf(key)
    const found = (await this.#stat(place))?.meta['upload']
    const upload = found ?? (await this.#beginAssembly(place, target, options))
    this.#assemblies.set(target, upload)
    const oldest = this.#assemblies.keys().next().value
    if (this.#assemblies.size > mostAssemblies && oldest !== undefined) this.#assemblies.delete(oldest)
    return upload
  }

  async #beginAssembly(place: string, target: string, { contentType, signal }: PutOptions): Promise<string> {
    const { bucket } = this.#address
    const headers = { 'content-type': contentType, 'x-amz-meta-assembly': 'raw' }
    const name = this.#name(target)
    const upload = await this.#client.attempt(() => this.#client.initiateNewMultipartUpload(bucket, name, headers), {
      signal,
    })
    try {
      const note = { 'x-amz-meta-upload': upload, 'x-amz-meta-target': target, 'if-none-match': '*' }
      await this.#putNote(place, note, signal)
      return upload
    } catch (error) {
      // Another process was quicker, or the answer to a first try was lost.
      const now = (await this.#stat(place))?.meta['upload']
      if (now !== upload) await new MultipartTarget(this.#client, bucket, name, upload, undefined).abort()
      if (now === undefined) throw error
      return now
    }
  }

  /** An empty object that says something in its metadata. */
  async #putNote(key: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<void> {
    const { bucket: bucketName } = this.#address
    const all = { 'content-type': 'application/octet-stream', ...headers, ...this.#tags(key) }
    await this.#client.attempt(
      () => this.#client.makeRequestAsyncOmit({ method: 'PUT', bucketName, objectName: this.#name(key), headers: all }),
      { signal },
    )
  }

  /**
   * Completes the multipart upload that the parts went into: nothing is moved when all of them did, whole. Otherwise the target holds padding for a moment (its
   * metadata says `raw`) and is made again from what counts.
   */
  async #assemble(
    sources: readonly { key: string; size: number; direct: DirectPart | undefined }[],
    target: string,
    options: ComposeOptions,
  ): Promise<StoredObject> {
    const { signal } = options
    const size = sources.reduce((sum, source) => sum + source.size, 0)
    const parts = sources.flatMap(source => source.direct ?? [])
    const upload = parts[0]?.upload ?? ''
    const lost = () =>
      mediaError('OBJECT_NOT_FOUND', { details: { key: sources.find(each => each.direct)?.key ?? '' } })
    if (parts.some(part => part.upload !== upload)) throw lost()
    const assembly = new MultipartTarget(this.#client, this.#address.bucket, this.#name(target), upload, signal)
    for (const { number, etag } of parts) assembly.add(number, etag)
    const firstOwn = sources.findIndex(source => source.direct === undefined)
    const tail = firstOwn < 0 ? [] : sources.slice(firstOwn)
    // Whole parts and behind them, at the end, what was too small to go straight into the target: that joins them now.
    const straight =
      tail.every(source => source.direct === undefined) &&
      sources.every(source => source.direct === undefined || source.direct.length === source.size)
    try {
      if (straight) await this.#append(assembly, tail, Math.max(...parts.map(part => part.number)), signal)
      await assembly.complete(false)
    } catch (error) {
      // Completed before, by a call that was cut off or by one at the same time: the target says so.
      if (!(error instanceof S3Refusal) || error.code !== 'NoSuchUpload') throw error
    }
    this.#assemblies.delete(target)
    const made = await this.#stat(target)
    if (made === undefined) throw lost()
    const raw = made.meta['assembly'] !== undefined
    if ((!raw || straight) && made.size !== size) throw lost()
    if (raw && !straight) {
      const { signal: stop } = new AbortController()
      let base = 0
      const pieces = sources.map(source => {
        if (!source.direct) return { key: source.key, size: source.size }
        const piece = { key: target, size: source.size, base, etag: made.etag }
        base += source.direct.length
        return piece
      })
      await this.#join(pieces, target, options, signal ?? stop)
    }
    const sha256 = options.sha256 ?? (await this.#hash([{ key: target, size }], signal))
    return { size, sha256 }
  }

  /** Ends the multipart uploads that stand among what is to be removed: their bytes go with them. */
  async #giveUp(keys: readonly string[]): Promise<void> {
    await inParallel(keys.filter(isAssembly), sideBySide, async key => {
      const meta = (await this.#stat(key))?.meta
      const { upload, target } = meta ?? {}
      if (upload === undefined || target === undefined) return
      this.#assemblies.delete(target)
      const name = this.#name(target)
      await this.#client
        .attempt(() => this.#client.abortMultipartUpload(this.#address.bucket, name, encodeURIComponent(upload)))
        .catch((error: unknown) => {
          if (!(error instanceof S3Refusal) || error.status !== 404) throw error
        })
    })
  }

  async #begin(
    key: string,
    options: Pick<PutOptions, 'contentType' | 'signal'>,
    sha256?: string,
  ): Promise<MultipartTarget> {
    const { bucket } = this.#address
    const name = this.#name(key)
    const headers = this.#headers(key, { contentType: options.contentType }, sha256)
    const id = await this.#client.attempt(() => this.#client.initiateNewMultipartUpload(bucket, name, headers), {
      signal: options.signal,
    })
    return new MultipartTarget(this.#client, bucket, name, id, options.signal)
  }

  /** Once per process: the copies that a crash left. */
  async #sweep(): Promise<void> {
    if (this.#swept) return
    this.#swept = true
    await sweepScratch(tmpdir(), Date.now() - staleMs)
  }
}

/** Bytes of an object, both ends inclusive; with `etag` only as long as it is the same object. */
type KeyStretch = { key: string; from: number; to: number; etag?: string }

/** The first `size` bytes of an object behind `base`. */
interface Source {
  key: string
  size: number
  base?: number
  etag?: string
}

type FoundObject = ObjectStat & { sha256: string | undefined; meta: Record<string, string | undefined> }

const { signal: never } = new AbortController()

const limitsOf = ({ maxBytes, signal }: PutOptions) => ({
  ...(maxBytes === undefined ? {} : { maxBytes }),
  ...(signal ? { signal } : {}),
})

function directPart(note: string | undefined): DirectPart | undefined {
  const [number, etag, length, size, upload] = note?.split(' ') ?? []
  if (upload === undefined || etag === undefined) return undefined
  return { upload, etag, number: Number(number), length: Number(length), size: Number(size) }
}

/** A multipart upload while it goes on. */
class MultipartTarget {
  readonly #done: DonePart[] = []

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly name: string,
    private readonly id: string,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async send(bytes: Buffer, number = this.#done.length + 1): Promise<void> {
    await this.#part(number, {}, bytes)
  }

  async copy(number: number, source: string, from: number, to: number, etag?: string): Promise<void> {
    const range = { 'x-amz-copy-source': source, 'x-amz-copy-source-range': `bytes=${from}-${to}` }
    await this.#part(number, { ...range, ...(etag !== undefined && { 'x-amz-copy-source-if-match': etag }) }, '')
  }

  /** A part that another request has sent. */
  add(number: number, etag: string): void {
    this.#done.push({ number, etag })
  }

  async #part(partNumber: number, headers: Record<string, string>, bytes: Buffer | ''): Promise<void> {
    const config = {
      bucketName: this.bucket,
      objectName: this.name,
      uploadID: encodeURIComponent(this.id),
      partNumber,
      headers,
    }
    const { etag } = await this.client.attempt(() => this.client.uploadPart(config, bytes), { signal: this.signal })
    // A copy that fails late answers 200 and says so in its body.
    if (etag === '') throw new S3Refusal(500, 'InternalError', 'a part came without its entity tag')
    this.#done.push({ number: partNumber, etag })
  }

  async complete(ifAbsent: boolean): Promise<void> {
    const parts = [...this.#done].sort((a, b) => a.number - b.number)
    const list = parts.map(part => `<Part><PartNumber>${part.number}</PartNumber><ETag>${part.etag}</ETag></Part>`)
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join('')}</CompleteMultipartUpload>`
    await this.client.attempt(
      async () => {
        const response = await this.client.makeRequestAsync(
          {
            method: 'POST',
            bucketName: this.bucket,
            objectName: this.name,
            query: `uploadId=${encodeURIComponent(this.id)}`,
            headers: ifAbsent ? { 'if-none-match': '*' } : {},
          },
          Buffer.from(body),
        )
        await requireResult(response)
      },
      // Completing twice fails the second time; the caller starts over with all of it.
      { signal: this.signal, tries: 1 },
    )
  }

  /** Gives up: what was sent goes at once, or else by the bucket's rule. */
  async abort(): Promise<void> {
    const { bucket, name, id } = this
    await this.client
      .attempt(() => this.client.abortMultipartUpload(bucket, name, encodeURIComponent(id)), { tries: 2 })
      .catch(() => undefined)
  }
}

/** Copying and completing may fail after the status was sent. */
async function requireResult(response: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  if (/<Error>/.test(text)) throw refusalIn(500, text)
}

/** The bytes of an answer as they come; a server that falls silent while somebody wants more is an error. */
async function* chunksOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  try {
    for (;;) {
      const timer = setTimeout(() => response.destroy(stalled()), silenceMs)
      try {
        const next = await chunks.next()
        if (next.done === true) return
        yield next.value
      } finally {
        clearTimeout(timer)
      }
    }
  } finally {
    response.destroy()
  }
}

const wholly = (sources: readonly { key: string; size: number }[]): KeyStretch[] =>
  sources.flatMap(({ key, size }) => (size === 0 ? [] : [{ key, from: 0, to: size - 1 }]))

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function* slices(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += mebi) yield bytes.subarray(at, at + mebi)
}

/** Maps with at most so many under way; the first failure ends it after those under way have ended. */
async function inParallel<T, R>(
  items: readonly T[],
  most: number,
  fn: (item: T, i: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async () => {
    for (let i = next++; i < items.length && failures.length === 0; i = next++) {
      try {
        results[i] = await fn(items[i] as T, i)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

const isScratchFull = (error: unknown) =>
  error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT'].includes(String(error.code))

async function sweepScratch(folder: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(scratchPrefix)) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found && found.mtimeMs < beforeMs) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}
