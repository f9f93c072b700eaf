import { createHash } from 'node:crypto'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { requireMember, type Call } from '@keepsake/rpc'
import { errors } from './errors.js'

interface Method<Request, Response> {
  readonly path: string
  requestSerialize(value: Request): Buffer
  responseSerialize(value: Response): Buffer
  responseDeserialize(bytes: Buffer): Response
}

/**
 * Does `effect` once per member and Idempotency-Key: a repeated call gets the first answer, a different request under the same key is
 * refused. The record is written in the effect's own transaction. Without a key it is just done.
 */
export async function once<Request, Response>(
  tx: FamilyTx,
  call: Call,
  method: Method<Request, Response>,
  request: Request,
  effect: () => Promise<Response>,
): Promise<Response> {
  const key = call.idempotencyKey
  if (key === undefined) return effect()
  const { memberId } = requireMember(call)
  const requestHash = createHash('sha256').update(method.path).update(method.requestSerialize(request)).digest()
  // Two calls with one key at the same moment: the second waits here for the first.
  await tx.one(sql`select pg_advisory_xact_lock(hashtextextended(${`render ${memberId} ${key}`}, 0))::text as locked`)
  const known = await tx.maybe<{ requestHash: Buffer; response: Buffer }>(sql`
    select request_hash, response from render.idempotency
    where family_id = ${tx.familyId} and member_id = ${memberId} and key = ${key}`)
  if (known !== undefined) {
    if (!known.requestHash.equals(requestHash)) throw errors.idempotencyMismatch()
    return method.responseDeserialize(known.response)
  }
  const response = await effect()
  await tx.changed(sql`
    insert into render.idempotency (family_id, member_id, key, request_hash, response)
    values (${tx.familyId}, ${memberId}, ${key}, ${requestHash}, ${method.responseSerialize(response)})`)
  return response
}

/** Clients repeat a call within minutes; records older than two days are forgotten. */
export function forgetOldCalls(db: Db): Promise<number> {
  return db.system('forget answers of old calls', tx =>
    tx.changed(sql`delete from render.idempotency where at < now() - interval '2 days'`),
  )
}
