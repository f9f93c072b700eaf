import { oncePerMember, sql, type Db } from '@keepsake/db'
import { errors } from './errors.js'

// How long a client may come back with the same key. An answer may quote a comment, so it is not kept longer.
const keptFor = '24 hours'

/** Does an effect once per member and Idempotency-Key, see `oncePerMember`. */
export const once = oncePerMember(sql`album.idempotency`, errors.idempotencyMismatch)

/** Forgets answers that nobody may ask for again. */
export async function forgetOldAnswers(db: Db): Promise<void> {
  await db.system('forget old answers under Idempotency-Keys', tx =>
    tx.changed(sql`delete from album.idempotency where at < now() - ${keptFor}::interval`),
  )
}
