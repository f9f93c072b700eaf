import type { Readable } from 'node:stream'

/** What is stored about an object. `etag` changes whenever the bytes change and is safe as an HTTP entity tag (without quotes). */
export interface ObjectStat {
  /** Size in bytes. */
  size: number
  contentType: string
  etag: string
  modifiedAt: Date
}

/** One entry of a listing. */
export interface ObjectEntry {
  key: string
  /** Size in bytes. */
  size: number
  modifiedAt: Date
}

/** What was written: size in bytes and the SHA-256 of exactly these bytes in lower-case hex. */
export interface StoredObject {
  size: number
  sha256: string
}

/**
 * Tells that an object is put only to be composed into another one, together with its siblings under the same prefix. A store that can then keeps the bytes
 * where they will be needed, and composing moves nothing. Such an object can be composed (in the order of the numbers) and removed, not read.
 */
export interface PartOf {
  /** The key that it will be composed into. */
  target: string
  /** 1 to 10,000; never given twice for a target, also not for another try, and growing with the place in the target. */
  number: number
}

export interface PutOptions {
  contentType: string
  /** Fails with ALREADY_EXISTS / OBJECT_EXISTS when the key is taken; nothing is changed then. */
  ifAbsent?: boolean
  /** Most bytes accepted; one more ends in RESOURCE_EXHAUSTED / OBJECT_TOO_LARGE and nothing is stored. */
  maxBytes?: number
  /**
   * How many bytes a stream is expected to have (one more ends like `maxBytes`). A store behind a network must be told the length beforehand: with
   * it the bytes pass straight through, without it they are gathered in memory part by part. The body may end early: such a store then fills
   * the object up with zeros, while the answer's `size` and `sha256` are those of the body. So read it by that size (`ObjectPart.size`).
   */
  announced?: number
  /** What these bytes are a part of: see `PartOf`. */
  partOf?: PartOf
  signal?: AbortSignal
}

/** A part of an object, both ends inclusive as in HTTP. Without `end`: to the last byte. */
export interface ByteRange {
  start: number
  end?: number
}

export interface GetOptions {
  range?: ByteRange
  signal?: AbortSignal
}

/** An object to join: all of it, or its first `size` bytes. */
export interface ObjectPart {
  key: string
  /** Bytes. */
  size?: number
}

export interface ComposeOptions {
  contentType: string
  /** SHA-256 of the joined bytes in hex, where it is known already: then nothing is read to compute it, and it is what the answer says. */
  sha256?: string
  signal?: AbortSignal
}

/** What a signed URL allows. */
export interface SignedUrlOptions {
  /** GET also allows HEAD, except where the URL leads to the store itself (S3). */
  method: 'GET' | 'PUT'
  /** Life in seconds, 1 to 604,800 (a week). A GET may live up to a quarter longer: expiries are rounded so that lists repeat the same URL and browsers cache it. */
  expiresInS: number
  /** Content-Disposition of the answer, for example `inline` or `attachment; filename*=UTF-8''a.jpg`. */
  disposition?: string
  /** GET: Content-Type of the answer when it is to differ from the stored one. PUT: the type the body is stored with. */
  contentType?: string
  /** PUT only: most bytes the body may have. S3 cannot be made to check this, so its own URLs refuse it (SIGNED_URL_INVALID). */
  maxBytes?: number
  /** Makes the URL another one when the bytes under the key were made anew, so that caches fetch them again. */
  version?: number
}

/**
 * Where bytes live: originals, renditions, movies and the parts of unfinished uploads. Keys are `/`-separated paths
 * such as `families/{familyId}/media/{mediaId}/original`; see `requireObjectKey` for what a key may hold.
 *
 * Promises of every adapter (checked by `objectStoreContract`):
 * - an object is there whole or not at all; a failed or aborted put leaves what was there before;
 * - a put that has answered survives a crash of the machine;
 * - errors are KeepsakeErrors: NOT_FOUND / OBJECT_NOT_FOUND, RESOURCE_EXHAUSTED / STORAGE_FULL (retryable),
 *   UNAVAILABLE / STORAGE_READ_ONLY or STORAGE_FAILED (retryable), INVALID_ARGUMENT / OBJECT_KEY_INVALID or RANGE_INVALID.
 */
export interface ObjectStore {
  /** Stores the bytes under the key, replacing what was there unless `ifAbsent`. */
  put(key: string, body: Readable | Uint8Array, options: PutOptions): Promise<StoredObject>
  /** A stream of the object's bytes. It fails with OBJECT_NOT_FOUND before the first byte, with RANGE_INVALID when the range starts behind the end. */
  get(key: string, options?: GetOptions): Readable
  /** What is known of an object, or undefined when there is none. */
  stat(key: string): Promise<ObjectStat | undefined>
  /**
   * Joins the parts in order into a new object, without moving their bytes where the store can do it itself. The parts stay. OBJECT_NOT_FOUND
   * names the part that is missing; a part shorter than its `size` is RANGE_INVALID.
   */
  compose(parts: readonly (string | ObjectPart)[], target: string, options: ComposeOptions): Promise<StoredObject>
  /** Removes an object; says whether there was one. */
  remove(key: string): Promise<boolean>
  /** Removes every object whose key starts with the prefix, which must end in `/`; says how many there were. */
  removePrefix(prefix: string): Promise<number>
  /** Every object under the prefix (which is empty or ends in `/`), in the order of their keys. */
  list(prefix: string): AsyncIterable<ObjectEntry>
  /** A URL with which whoever holds it may do one thing with one object until it expires. */
  signedUrl(key: string, options: SignedUrlOptions): string
  /**
   * Calls `fn` with a readable local path of the object: the object itself where it is a file (never write to it), a temporary copy
   * elsewhere, removed afterwards. Decoders take files only.
   */
  withFile<T>(key: string, fn: (path: string) => Promise<T>, options?: { signal?: AbortSignal }): Promise<T>
}
