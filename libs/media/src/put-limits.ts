import { mediaError } from './errors.js'
import type { PutOptions } from './object-store.js'

/** Throws OBJECT_TOO_LARGE when a body of `size` bytes is more than was allowed or announced. */
export function requireFits(size: number, options: Pick<PutOptions, 'maxBytes' | 'announced'>): void {
  const most = Math.min(options.maxBytes ?? Infinity, options.announced ?? Infinity)
  if (size > most) throw mediaError('OBJECT_TOO_LARGE', { details: { maxBytes: String(most) } })
}
