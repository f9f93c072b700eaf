import { sql } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { mediaPrefix, uploadPrefix, type Deps } from './deps.js'
import { sweepUpload } from './finish.js'
import type { UploadRow } from './upload.js'

const log = logger('ingest')
const BATCH = 100
/** A finished upload is normally swept by the call that finished it. */
const GRACE_MS = 60_000
/** What was under way when a family was erased has ended by then: a part's lease, a finish. */
const ERASED_MS = 24 * 3_600_000

/** Removes expired uploads and the parts that a crash left behind. Several replicas may sweep at once. Returns how many uploads. */
export async function sweep(deps: Deps): Promise<number> {
  const now = deps.now()
  const due = await deps.db.system('sweep uploads', tx =>
    tx.many<Pick<UploadRow, 'id' | 'familyId' | 'mediaId' | 'state'>>(sql`
      select id, family_id, media_id, state from ingest.uploads
      where not swept and (expires_at < ${new Date(now)} or (state <> 'open' and created_at < ${new Date(now - GRACE_MS)}))
      order by expires_at limit ${BATCH}`),
  )
  for (const upload of due) {
    try {
      if (upload.state === 'open') {
        const expired = await deps.db.family(upload.familyId, tx =>
          tx.changed(sql`
            delete from ingest.uploads where family_id = ${upload.familyId} and id = ${upload.id}
              and state = 'open' and expires_at < ${new Date(now)}`),
        )
        if (expired === 0) continue
        await deps.objects.removePrefix(uploadPrefix(upload.familyId, upload.id))
        // A finish that was cut off may have composed bytes for an item that never was.
        await deps.objects.removePrefix(mediaPrefix(upload.familyId, upload.id))
      } else await sweepUpload(deps, upload.familyId, upload)
    } catch (error) {
      log.warn({ err: error, uploadId: upload.id }, 'an upload could not be swept')
    }
  }
  await sweepErasedFamilies(deps)
  return due.length
}

/**
 * Removes again the bytes of families that were erased within a day: an upload that was under way just then may have written after the erasure, and its process may
 * have died before it could take that back.
 */
async function sweepErasedFamilies(deps: Deps): Promise<void> {
  const erased = await deps.db.system('sweep erased families', tx =>
    tx.many<{ familyId: string }>(sql`
      select family_id from events.tombstones
      where grp = 'ingest' and kind = 'family' and at > ${new Date(deps.now() - ERASED_MS)}`),
  )
  for (const { familyId } of erased) {
    try {
      await deps.objects.removePrefix(`families/${familyId}/uploads/`)
      await deps.objects.removePrefix(`families/${familyId}/media/`)
    } catch (error) {
      log.warn({ err: error, familyId }, 'an erased family could not be swept')
    }
  }
}
