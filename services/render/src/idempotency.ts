import { createHash } from 'node:crypto'
import { sql, type FamilyTx } from '@keepsake/db'
import { requireMember, type Call, type RequestOf, type ResponseOf } from '@keepsake/rpc'
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
export async function once<M extends Method<never, never>>(
  tx: FamilyTx,
  call: Call,
  method: M,
  request: RequestOf<M>,
  effect: () => Promise<ResponseOf<M>>,
): Promise<ResponseOf<M>> {
  const key = call.idempotencyKey
  if (key === undefined) return effect()
  const { memberId } = requireMember(call)
  const { path, requestSerialize, responseSerialize, responseDeserialize } = method as unknown as Method<unknown, unknown>
  const requestHash = createHash('sha256').update(path).update(requestSerialize(request)).digest()
  // Two calls with one key at the same moment: the second waits here for the first.
  await tx.one(sql`select pg_advisory_xact_lock(hashtextextended(${`render ${memberId} ${key}`}, 0))::text as locked`)
  const known = await tx.maybe<{ requestHash: Buffer; response: Buffer }>(sql`
    select request_hash, response from render.idempotency
    where family_id = ${tx.familyId} and member_id = ${memberId} and key = ${key}`)
  if (known !== undefined) {
    if (!known.requestHash.equals(requestHash)) throw errors.idempotencyMismatch()
    return responseDeserialize(known.response) as ResponseOf<M>
  }
  const response = await effect()
  await tx.changed(sql`
    insert into render.idempotency (family_id, member_id, key, request_hash, response)
    values (${tx.familyId}, ${memberId}, ${key}, ${requestHash}, ${responseSerialize(response)})`)
  return response
}
