import type { ObjectStore } from '@keepsake/media'

/** Bytes of which only a few are wanted, wherever they lie. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number
  /** At most `length` bytes from `at` on; fewer at the end. */
  read(at: number, length: number): Promise<Buffer>
}

/** So much is fetched at least: the boxes of a video's head lie close together. */
const blockBytes = 64 * 1024

/** An object of the store, read in pieces; the piece read last is remembered. */
export function objectSource(
  objects: Pick<ObjectStore, 'get'>,
  key: string,
  size: number,
  signal?: AbortSignal,
): ByteSource {
  let start = 0
  let block: Buffer = Buffer.alloc(0)
  return {
    size,
    async read(at, length) {
      const end = Math.min(size, at + length)
      if (at >= end) return Buffer.alloc(0)
      if (at < start || end > start + block.length) {
        const range = { start: at, end: Math.min(size, Math.max(end, at + blockBytes)) - 1 }
        const chunks: Buffer[] = []
        for await (const chunk of objects.get(key, { range, ...(signal && { signal }) })) chunks.push(chunk as Buffer)
        start = at
        block = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
      }
      return block.subarray(at - start, end - start)
    },
  }
}
