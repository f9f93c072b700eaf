import { sql } from '@keepsake/db'
import { logger } from '@keepsake/telemetry'
import { mediaPrefix, uploadPrefix, type Deps } from './deps.js'
import { sweepUpload } from './finish.js'
import type { UploadRow } from './upload.js'

const log = logger('ingest')
const BATCH = 100
/** A finished upload is normally swept by the call that finished it. */
const GRACE_MS = 60_000

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
  return due.length
}
