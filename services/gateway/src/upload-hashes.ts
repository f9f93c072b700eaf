import { createHash, type Hash } from 'node:crypto'

/** Uploads whose hash is carried on at once; an upload beyond that is read once more when it is finished. */
const mostKept = 2000

/**
 * SHA-256 of uploads as their bytes pass, carried on from part to part. Only a saving: an upload that goes on in another process is hashed when it is
 * finished, by reading it.
 */
export class UploadHashes {
  readonly #kept = new Map<string, { offset: number; hash: Hash }>()

  /** The hash of the first `offset` bytes to go on with; undefined when this process did not see all of them. */
  at(uploadId: string, offset: number): Hash | undefined {
    const kept = this.#kept.get(uploadId)
    this.#kept.delete(uploadId)
    if (offset === 0) return createHash('sha256')
    if (kept?.offset !== offset) return undefined
    // A part that fails is sent again: the state before it is kept.
    this.#kept.set(uploadId, kept)
    return kept.hash.copy()
  }

  /** Remembers the hash of the first `offset` bytes, which grew by a part that was recorded. */
  keep(uploadId: string, offset: number, hash: Hash): void {
    this.#kept.delete(uploadId)
    this.#kept.set(uploadId, { offset, hash })
    const oldest = this.#kept.keys().next().value
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest)
  }
}
