import { sql, type RememberedMethod, type Tx } from '@keepsake/db'
import type { Call } from '@keepsake/rpc'
import { errors } from './errors.js'
import type { Seal } from './seal.js'

// How long a client may come back with the same key.
const keptFor = '24 hours'

/**
 * Does `effect` once per Idempotency-Key: a repeated call gets the first answer, a different request under the same key
 * is refused. The record is written in the effect's own transaction, sealed: answers hold invitations, API keys and tokens,
 * which nobody reads in the database. Without a key it is just done.
 */
export async function once<Request, Response>(
  tx: Tx,
  seal: Seal,
  call: Pick<Call, 'idempotencyKey'>,
  scope: string,
  method: RememberedMethod<Request, Response>,
  request: Request,
  effect: () => Promise<Response>,
): Promise<Response> {
  const key = call.idempotencyKey
  if (key === undefined) return effect()
  // Of the key, too, only a digest is kept: with it the answer could be asked for.
  const kept = seal.digest('key', scope, key).toString('hex')
  const requestHash = seal.digest('request', method.path, method.requestSerialize(request))
  // Two calls with one key at the same moment: the second waits here for the first.
  await tx.one(sql`select pg_advisory_xact_lock(hashtextextended(${`${scope} ${key}`}, 0))::text as locked`)
  await tx.changed(sql`
    delete from family.idempotency where at < now() - ${keptFor}::interval`)
  const known = await tx.maybe<{ requestHash: Buffer; response: Buffer }>(sql`
    select request_hash, response from family.idempotency where scope = ${scope} and key = ${kept}`)
  if (known !== undefined) {
    const answer = known.requestHash.equals(requestHash) ? seal.open(key, known.response) : undefined
    if (answer === undefined) throw errors.idempotencyMismatch()
    return method.responseDeserialize(answer)
  }
  const response = await effect()
  await tx.changed(sql`
    insert into family.idempotency (scope, key, request_hash, response)
    values (${scope}, ${kept}, ${requestHash}, ${seal.close(key, method.responseSerialize(response))})`)
  return response
}
