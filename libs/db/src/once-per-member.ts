import { createHash } from 'node:crypto'
import { requireMember, type Call, type KeepsakeError } from '@keepsake/rpc'
import type { FamilyTx } from './db.js'
import { sql, type Sql } from './sql.js'

/** The parts of a generated method that remembering needs. */
export interface RememberedMethod<Request, Response> {
  readonly path: string
  readonly requestSerialize: (value: Request) => Buffer
  readonly responseSerialize: (value: Response) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/**
 * Makes a service's `once`. It does `effect` once per member and Idempotency-Key: a repeated call gets the first answer, a different request under the same key is
 * refused with `mismatch`. The record is written in the effect's own transaction, into the service's `table` (family_id, member_id, key, request_hash, response); two calls with one
 * key at the same moment wait for each other. Without a key the effect is just done.
 */
export function oncePerMember(table: Sql, mismatch: () => KeepsakeError) {
  return async function once<Request, Response>(
    tx: FamilyTx,
    call: Call,
    method: RememberedMethod<Request, Response>,
    request: Request,
    effect: () => Promise<Response>,
  ): Promise<Response> {
    const key = call.idempotencyKey
    if (key === undefined) return effect()
    const { memberId } = requireMember(call)
    const requestHash = createHash('sha256').update(method.path).update(method.requestSerialize(request)).digest()
    const lock = `once ${method.path.split('/')[1]} ${memberId} ${key}`
    await tx.one(sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))::text as locked`)
    const known = await tx.maybe<{ requestHash: Buffer; response: Buffer }>(sql`
      select request_hash, response from ${table}
      where family_id = ${tx.familyId} and member_id = ${memberId} and key = ${key}`)
    if (known !== undefined) {
      if (!known.requestHash.equals(requestHash)) throw mismatch()
      return method.responseDeserialize(known.response)
    }
    const response = await effect()
    await tx.changed(sql`
      insert into ${table} (family_id, member_id, key, request_hash, response)
      values (${tx.familyId}, ${memberId}, ${key}, ${requestHash}, ${method.responseSerialize(response)})`)
    return response
  }
}
