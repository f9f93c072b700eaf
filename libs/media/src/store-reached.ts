import { workedOnce } from '@keepsake/rpc'
import type { ObjectStore } from './object-store.js'

/**
 * A check that the store was reached once since the start, with a bucket that is there and keys that open it. A store that goes away later is no reason to call a service
 * not ready: every replica has the same one, so nobody would be left to say what is wrong.
 */
export function storeReached(store: Pick<ObjectStore, 'list'>): () => Promise<void> {
  return workedOnce(async () => {
    for await (const _ of store.list('readyz/')) break
  })
}
