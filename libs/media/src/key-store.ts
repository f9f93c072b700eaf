import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { KeepsakeError } from '@keepsake/rpc'
import type { ObjectStore } from './object-store.js'
import { openObjectStore } from './open-object-store.js'

/** What an erasure is about, as the tombstone beside the keys has it. */
export interface Tombstone {
  readonly erasureId: string
  readonly familyId: string
  /** item, face, consent, member, family. */
  readonly kind: string
  /** Items, faces or the member. */
  readonly ids: readonly string[]
  /** The items that the faces are on. */
  readonly mediaIds: readonly string[]
  /** When it was recorded, RFC 3339. */
  readonly at: string
}

/** A key that encrypts. Two keys of one name (the first was destroyed) have different ids. */
export interface DataKey {
  readonly name: string
  readonly id: string
  readonly key: Buffer
}

/** Names of a family's data keys: what each destroys. */
export const keyNames = {
  /** Bytes and rows of an item. */
  item: (mediaId: string) => `items/${mediaId}/bytes`,
  /** What was seen in an item: vectors and crops. */
  faces: (mediaId: string) => `items/${mediaId}/faces`,
  /** People and what parents said about them. */
  people: 'people/all',
  /** What a member wrote and is called. */
  member: (memberId: string) => `members/${memberId}/rows`,
  /** Everything else of the family. */
  rest: 'rest/all',
} as const

interface StoredKey {
  version: 1
  id: string
  /** The family's key: 32 bytes in base64. A data key: nonce, ciphertext and tag under the family's key, in base64. */
  key: string
}

const json = { contentType: 'application/json' }
const root = (familyId: string) => `families/${familyId}/`
const familyKeyOf = (familyId: string) => `${root(familyId)}key`
const dataRoot = (familyId: string) => `${root(familyId)}data/`
const graves = (familyId: string) => `tombstones/${familyId}/`

/**
 * The keys of backups, kept apart from them: one key a family, and under it (wrapped, AES-256-GCM) the data keys by name. Whoever erases destroys
 * the key: from then on no backup, however old, gives the bytes back. Beside the keys lie the tombstones, which a restore replays. Nothing here is
 * needed to run; where no backup was ever made there are tombstones only.
 */
export class KeyStore {
  /** Unwrapped family keys; data keys are asked for anew each time, because another process may destroy them. */
  private readonly known = new Map<string, Buffer>()

  constructor(private readonly objects: ObjectStore) {}

  /**
   * Records an erasure and destroys the keys that it concerns; says how many there were. Safe to repeat. The tombstone stands before the first key
   * goes: whoever makes a key at the same moment looks for tombstones afterwards (see `make`).
   */
  async erase(tombstone: Tombstone): Promise<number> {
    const { familyId, erasureId, kind, ids, mediaIds } = tombstone
    await this.objects
      .put(graves(familyId) + erasureId, Buffer.from(JSON.stringify({ version: 1, ...tombstone })), {
        ...json,
        ifAbsent: true,
      })
      .catch((error: unknown) => {
        if (!KeepsakeError.is(error) || error.reason !== 'OBJECT_EXISTS') throw error
      })
    const data = dataRoot(familyId)
    switch (kind) {
      case 'item':
        return sum(ids.map(id => this.objects.removePrefix(`${data}items/${id}/`)))
      case 'face':
        return sum(mediaIds.map(id => this.remove(data + keyNames.faces(id))))
      case 'member':
        return sum(ids.map(id => this.remove(data + keyNames.member(id))))
      case 'consent': {
        let destroyed = await this.remove(data + keyNames.people)
        for await (const { key } of this.objects.list(`${data}items/`))
          if (key.endsWith('/faces')) destroyed += await this.remove(key)
        return destroyed
      }
      case 'family':
        this.known.delete(familyId)
        return this.objects.removePrefix(root(familyId))
      default:
        throw new TypeError(`no such erasure: ${kind}`)
    }
  }

  /** Every erasure on record, oldest first; of one family, or of all. */
  async tombstones(familyId?: string): Promise<Tombstone[]> {
    const found: Tombstone[] = []
    for await (const { key } of this.objects.list(familyId === undefined ? 'tombstones/' : graves(familyId)))
      found.push(JSON.parse((await buffer(this.objects.get(key))).toString()) as Tombstone)
    return found.sort((a, b) => a.erasureId.localeCompare(b.erasureId))
  }

  /** Whether the family was erased. */
  async isGone(familyId: string): Promise<boolean> {
    return (await this.tombstones(familyId)).some(({ kind }) => kind === 'family')
  }

  /** A data key; undefined when it was never made or is destroyed. */
  async read(familyId: string, name: string): Promise<DataKey | undefined> {
    const wrapping = await this.familyKey(familyId)
    const stored = wrapping && (await this.stored(dataRoot(familyId) + name))
    return stored && { name, id: stored.id, key: unwrap(wrapping, stored, aad(familyId, name)) }
  }

  /**
   * A data key, made where it is missing. `isErased` is asked with the tombstones as they are after the key was made: where it says yes, the key is
   * destroyed again and undefined is answered. So a backup and an erasure at the same moment cannot leave a key behind.
   */
  async make(
    familyId: string,
    name: string,
    isErased: (tombstones: readonly Tombstone[]) => boolean,
  ): Promise<DataKey | undefined> {
    const before = await this.read(familyId, name)
    if (before !== undefined) return before
    const wrapping = (await this.familyKey(familyId)) ?? (await this.makeFamilyKey(familyId))
    const key = randomBytes(32)
    const id = randomUUID()
    await this.putNew(dataRoot(familyId) + name, {
      version: 1,
      id,
      key: wrap(wrapping, key, aad(familyId, name)).toString('base64'),
    })
    const now = await this.tombstones(familyId)
    if (now.some(({ kind }) => kind === 'family')) {
      this.known.delete(familyId)
      await this.objects.removePrefix(root(familyId))
      return undefined
    }
    if (isErased(now)) {
      await this.remove(dataRoot(familyId) + name)
      return undefined
    }
    return this.read(familyId, name) // another process may have been faster
  }

  /** The key of what belongs to no family (accounts); made where it is missing. */
  async platform(): Promise<DataKey> {
    await this.putNew('platform/key', { version: 1, id: randomUUID(), key: randomBytes(32).toString('base64') })
    const stored = (await this.stored('platform/key')) as StoredKey
    return { name: 'platform', id: stored.id, key: Buffer.from(stored.key, 'base64') }
  }

  private async familyKey(familyId: string): Promise<Buffer | undefined> {
    const known = this.known.get(familyId)
    if (known !== undefined) return known
    const stored = await this.stored(familyKeyOf(familyId))
    if (stored === undefined) return undefined
    const key = Buffer.from(stored.key, 'base64')
    this.known.set(familyId, key)
    return key
  }

  private async makeFamilyKey(familyId: string): Promise<Buffer> {
    await this.putNew(familyKeyOf(familyId), {
      version: 1,
      id: randomUUID(),
      key: randomBytes(32).toString('base64'),
    })
    return (await this.familyKey(familyId)) as Buffer
  }

  private async stored(key: string): Promise<StoredKey | undefined> {
    try {
      return JSON.parse((await buffer(this.objects.get(key))).toString()) as StoredKey
    } catch (error) {
      if (KeepsakeError.is(error) && error.reason === 'OBJECT_NOT_FOUND') return undefined
      throw error
    }
  }

  private async putNew(key: string, value: StoredKey): Promise<void> {
    await this.objects
      .put(key, Buffer.from(JSON.stringify(value)), { ...json, ifAbsent: true })
      .catch((error: unknown) => {
        if (!KeepsakeError.is(error) || error.reason !== 'OBJECT_EXISTS') throw error
      })
  }

  private async remove(key: string): Promise<number> {
    return (await this.objects.remove(key)) ? 1 : 0
  }
}

/**
 * Opens the key store that `KEEPSAKE_KEYS` names (`file:///…`, or as `KEEPSAKE_OBJECTS` an S3 bucket other than that of the objects); undefined where
 * it names none: then no backup can be made.
 */
export function openKeyStore(env: Readonly<Record<string, string | undefined>>): KeyStore | undefined {
  const address = env['KEEPSAKE_KEYS']
  if (address === undefined || address === '') return undefined
  if (address.startsWith('file:///')) {
    const folder = fileURLToPath(address)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  }
  return new KeyStore(openObjectStore({ ...env, KEEPSAKE_OBJECTS: address }))
}

/** One key that needs all of the given ones: whoever destroys one of them has destroyed it. */
export function combinedKey(keys: readonly Pick<DataKey, 'id' | 'key'>[], salt: Buffer, purpose: string): Buffer {
  const sorted = [...keys].sort((a, b) => a.id.localeCompare(b.id))
  return Buffer.from(hkdfSync('sha256', Buffer.concat(sorted.map(({ key }) => key)), salt, purpose, 32))
}

const aad = (familyId: string, name: string) => Buffer.from(`keepsake key 1\n${familyId}\n${name}`)

function wrap(wrapping: Buffer, key: Buffer, bound: Buffer): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', wrapping, nonce).setAAD(bound)
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
}

function unwrap(wrapping: Buffer, stored: StoredKey, bound: Buffer): Buffer {
  const bytes = Buffer.from(stored.key, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', wrapping, bytes.subarray(0, 12))
    .setAAD(bound)
    .setAuthTag(bytes.subarray(-16))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
  } catch (error) {
    throw new KeepsakeError({
      code: 'FAILED_PRECONDITION',
      reason: 'KEY_DAMAGED',
      message: 'A key of the backup is damaged or belongs to another family.',
      cause: error,
    })
  }
}

async function sum(counts: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(counts)).reduce((total, count) => total + count, 0)
}
