import { sql, type Tx } from '@keepsake/db'
import type { ApiKey, CreateApiKeyRequest } from '@keepsake/proto/family/v1'
import { checkName } from './accounts.js'
import { errors } from './errors.js'
import { digest, newSecret } from './secrets.js'

/** What a key may be allowed: look, change, administer (members, keys, deletion). */
export const scopes = ['read', 'write', 'admin'] as const

/** Every API key starts like this, so that scanners of leaked secrets know it. */
export const apiKeyPrefix = 'ksk_'

interface ApiKeyRow {
  apiKeyId: string
  name: string
  scopes: string[]
  createdAt: Date
  expiresAt: Date | null
}

const shown = (row: ApiKeyRow): ApiKey => ({
  id: row.apiKeyId,
  name: row.name,
  scopes: row.scopes,
  createdAt: row.createdAt,
  expiresAt: row.expiresAt ?? undefined,
})

/** Makes a key. Its secret is answered once and stored only as a digest. */
export async function createApiKey(
  tx: Tx,
  accountId: string,
  request: CreateApiKeyRequest,
  now: Date,
): Promise<{ apiKey: ApiKey; secret: string }> {
  checkName(request.name, 'name')
  const known: readonly string[] = scopes
  if (request.scopes.length === 0 || request.scopes.some(scope => !known.includes(scope)))
    throw errors.invalid('scopes', `Scopes are ${scopes.join(', ')}; at least one.`)
  if (request.expiresAt !== undefined && request.expiresAt <= now)
    throw errors.invalid('expiresAt', 'A key must expire in the future.')
  const secret = apiKeyPrefix + newSecret()
  const row = await tx.one<ApiKeyRow>(sql`
    insert into family.api_keys (account_id, name, secret_hash, scopes, expires_at)
    values (${accountId}, ${request.name.trim()}, ${digest(secret)}, ${[...new Set(request.scopes)]}, ${request.expiresAt})
    returning api_key_id, name, scopes, created_at, expires_at`)
  return { apiKey: shown(row), secret }
}

/** The account's keys, oldest first, without their secrets. */
export async function listApiKeys(tx: Tx, accountId: string): Promise<ApiKey[]> {
  const rows = await tx.many<ApiKeyRow>(sql`
    select api_key_id, name, scopes, created_at, expires_at from family.api_keys
    where account_id = ${accountId} order by api_key_id`)
  return rows.map(shown)
}

/** Removes a key; it stops at once. */
export async function deleteApiKey(tx: Tx, accountId: string, id: string): Promise<void> {
  const removed = await tx.changed(sql`
    delete from family.api_keys where account_id = ${accountId} and api_key_id::text = ${id}`)
  if (removed === 0) throw errors.apiKeyNotFound()
}
