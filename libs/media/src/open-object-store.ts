import { fileURLToPath } from 'node:url'
import { KeepsakeError } from '@keepsake/rpc'
import { FilesystemObjectStore } from './filesystem-object-store.js'
import type { ObjectStore } from './object-store.js'

/**
 * Opens the object store that the environment names: `KEEPSAKE_OBJECTS` (`file:///path`), `KEEPSAKE_OBJECTS_URL_KEY` (secret of signed URLs,
 * at least 16 characters, the same in every service) and `KEEPSAKE_OBJECTS_PUBLIC_URL` (put before signed paths; default: relative URLs).
 */
export function openObjectStore(env: Readonly<Record<string, string | undefined>>): ObjectStore {
  const address = env['KEEPSAKE_OBJECTS']
  if (!address?.startsWith('file:///')) {
    throw new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'OBJECTS_ADDRESS_INVALID',
      message: 'KEEPSAKE_OBJECTS must name where photos are kept, for example file:///srv/keepsake/objects.',
    })
  }
  const urlKey = env['KEEPSAKE_OBJECTS_URL_KEY']
  const publicUrl = env['KEEPSAKE_OBJECTS_PUBLIC_URL']
  return new FilesystemObjectStore({
    root: fileURLToPath(address),
    ...(urlKey === undefined ? {} : { urlKey }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
  })
}
