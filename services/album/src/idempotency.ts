import { createHash } from 'node:crypto'
import { sql, type Db, type FamilyTx } from '@keepsake/db'
import { requireMember, type Call } from '@keepsake/rpc'
import { errors } from './errors.js'
import { lockFamily } from './version.js'

/** The parts of a generated method that remembering needs. */
interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (value: Request) => Buffer
  readonly responseSerialize: (value: Response) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

// How long a client may come back with the same key. An answer may quote a comment, so it is not kept longer.
const keptFor = '24 hours'

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
  await lockFamily(tx)
  const known = await tx.maybe<{ requestHash: Buffer; response: Buffer }>(sql`
    select request_hash, response from album.idempotency
    where family_id = ${tx.familyId} and member_id = ${memberId} and key = ${key}`)
  if (known !== undefined) {
    if (!known.requestHash.equals(requestHash)) throw errors.idempotencyMismatch()
    return method.responseDeserialize(known.response)
  }
  const response = await effect()
  await tx.changed(sql`
    insert into album.idempotency (family_id, member_id, key, request_hash, response)
    values (${tx.familyId}, ${memberId}, ${key}, ${requestHash}, ${method.responseSerialize(response)})`)
  return response
}

/** Forgets answers that nobody may ask for again. */
export async function forgetOldAnswers(db: Db): Promise<void> {
  await db.system('forget old answers under Idempotency-Keys', tx =>
    tx.changed(sql`delete from album.idempotency where at < now() - ${keptFor}::interval`),
  )
}
