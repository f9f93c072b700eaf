import { oncePerMember, sql, type Db } from '@keepsake/db'
import { errors } from './errors.js'

/** Does an effect once per member and Idempotency-Key, see `oncePerMember`. */
export const once = oncePerMember(sql`render.idempotency`, errors.idempotencyMismatch)

/** Clients repeat a call within minutes; records older than two days are forgotten. */
export function forgetOldCalls(db: Db): Promise<number> {
  return db.system('forget answers of old calls', tx =>
    tx.changed(sql`delete from render.idempotency where at < now() - interval '2 days'`),
  )
}
