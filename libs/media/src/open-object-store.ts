import { fileURLToPath } from 'node:url'
import { KeepsakeError } from '@keepsake/rpc'
import { FilesystemObjectStore } from './filesystem-object-store.js'
import type { ObjectStore } from './object-store.js'
import { parseS3Address } from './s3-address.js'
import { S3ObjectStore } from './s3-object-store.js'

type Env = Readonly<Record<string, string | undefined>>

/**
 * Opens the object store that the environment names: `KEEPSAKE_OBJECTS` (`file:///path`, or `s3://…` as `parseS3Address` reads it),
 * `KEEPSAKE_OBJECTS_URL_KEY` (secret of signed URLs, at least 16 characters, the same in every service) and `KEEPSAKE_OBJECTS_PUBLIC_URL`: for a folder,
 * what is put before signed paths; for S3, the address under which browsers reach the store, to which URLs then lead. Without it URLs are relative and
 * the gateway serves them.
 */
export function openObjectStore(env: Env): ObjectStore {
  const address = env['KEEPSAKE_OBJECTS'] ?? ''
  const urlKey = env['KEEPSAKE_OBJECTS_URL_KEY']
  const publicUrl = publicUrlOf(env)
  const withUrlKey = urlKey === undefined ? {} : { urlKey }
  if (address.startsWith('s3://')) {
    return new S3ObjectStore({
      address: parseS3Address(address, env),
      ...withUrlKey,
      ...(publicUrl === undefined ? {} : { publicEndpoint: new URL(publicUrl.origin) }),
    })
  }
  if (!address.startsWith('file:///')) {
    throw new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'OBJECTS_ADDRESS_INVALID',
      message:
        'KEEPSAKE_OBJECTS must name where photos are kept, for example file:///srv/keepsake/objects or s3://bucket?endpoint=….',
    })
  }
  return new FilesystemObjectStore({
    root: fileURLToPath(address),
    ...withUrlKey,
    ...(publicUrl === undefined ? {} : { publicUrl: publicUrl.href }),
  })
}

/** The origin that signed URLs lead to where it is not the gateway's own: pages must be allowed to show what comes from there. */
export function objectsPublicOrigin(env: Env): string | undefined {
  const publicUrl = publicUrlOf(env)
  if (publicUrl === undefined) return undefined
  if (!env['KEEPSAKE_OBJECTS']?.startsWith('s3://')) return publicUrl.origin
  const { style, bucket } = parseS3Address(env['KEEPSAKE_OBJECTS'], env)
  return style === 'path' ? publicUrl.origin : `${publicUrl.protocol}//${bucket}.${publicUrl.host}`
}

function publicUrlOf(env: Env): URL | undefined {
  const text = env['KEEPSAKE_OBJECTS_PUBLIC_URL'] ?? ''
  if (text === '') return undefined
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text)
  throw new KeepsakeError({
    code: 'FAILED_PRECONDITION',
    reason: 'OBJECTS_ADDRESS_INVALID',
    message: 'KEEPSAKE_OBJECTS_PUBLIC_URL must be an http:// or https:// address.',
  })
}
