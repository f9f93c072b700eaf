import { createHash, createHmac } from 'node:crypto'

/** What a body signed chunk by chunk begins with: the request's own signature and what it was made from. */
export interface ChunkSeed {
  /** `20261122T040000Z` */
  date: string
  region: string
  secretKey: string
  /** Signature of the request, in hex. */
  signature: string
}

/** Bytes of one signed chunk. Small, because so much of each upload is held; S3 wants at least 8 KiB. */
export const signedChunkBytes = 128 * 1024

/** Value of x-amz-content-sha256 of a request whose body is signed chunk by chunk. */
export const signedChunks = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'

const emptyHash = createHash('sha256').digest('hex')
const signatureBytes = ';chunk-signature='.length + 64

/** Content-Length of a body of `size` bytes once it is cut into signed chunks. */
export function signedLength(size: number): number {
  const rest = size % signedChunkBytes
  const whole = (size - rest) / signedChunkBytes
  return whole * framed(signedChunkBytes) + (rest > 0 ? framed(rest) : 0) + framed(0)
}

const framed = (size: number) => size.toString(16).length + signatureBytes + 2 + size + 2

/**
 * Signs the chunks of a body in their order (Signature Version 4, "Signature calculations: transferring payload in multiple chunks"): a body
 * whose hash is not known beforehand is proved to arrive as it was sent. Every chunk but the last has `signedChunkBytes`; the last is empty.
 */
export class ChunkSigner {
  readonly #key: Buffer
  readonly #scope: string
  #previous: string

  constructor(private readonly seed: ChunkSeed) {
    const day = seed.date.slice(0, 8)
    this.#scope = `${day}/${seed.region}/s3/aws4_request`
    this.#key = [day, seed.region, 's3', 'aws4_request'].reduce<Buffer>(
      (key, word) => createHmac('sha256', key).update(word).digest(),
      Buffer.from(`AWS4${seed.secretKey}`),
    )
    this.#previous = seed.signature
  }

  /** The line before a chunk that is made of these pieces; `\r\n` follows the chunk. */
  head(pieces: readonly Uint8Array[]): string {
    const hash = createHash('sha256')
    let size = 0
    for (const piece of pieces) {
      hash.update(piece)
      size += piece.byteLength
    }
    const lines = ['AWS4-HMAC-SHA256-PAYLOAD', this.seed.date, this.#scope, this.#previous, emptyHash]
    this.#previous = createHmac('sha256', this.#key)
      .update([...lines, hash.digest('hex')].join('\n'))
      .digest('hex')
    return `${size.toString(16)};chunk-signature=${this.#previous}\r\n`
  }
}
