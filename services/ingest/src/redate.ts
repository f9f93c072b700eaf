import { sql } from '@keepsake/db'
import { MediaIngested, publish } from '@keepsake/events'
import type { Deps } from './deps.js'
import { describeItem } from './describe.js'
import { lockItem, saveDescription, sidecarsOf } from './item.js'

const BATCH = 100

/**
 * Decides again when items were taken whose offset was guessed from the family's time zone, after that zone changed. Items whose time
 * moves get a new version and are published; the others stay as they are. Returns how many moved.
 */
export async function redate(deps: Deps, familyId: string, signal: AbortSignal): Promise<number> {
  const settings = await deps.settings(familyId)
  let moved = 0
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    signal.throwIfAborted()
    const ids = await deps.db.family(familyId, async tx => {
      const items = await tx.many<{ id: string }>(sql`
        select id from ingest.media
        where family_id = ${familyId} and state = 'ready' and taken->>'offsetSource' = 'family' and id > ${after}
        order by id limit ${BATCH}`)
      for (const { id } of items) {
        const item = await lockItem(tx, id)
        if (item?.state !== 'ready') continue
        const origin = { fileName: item.fileName, lastModifiedMs: item.lastModified?.getTime() }
        const uploadedMs = item.uploadedAt.getTime()
        const sidecars = await sidecarsOf(tx, id)
        const described = await describeItem(item.embedded, sidecars, origin, settings, deps.places, uploadedMs)
        const { at, offsetMinutes } = described.taken
        if (at.getTime() === item.takenAt.getTime() && offsetMinutes === item.taken.offsetMinutes) continue
        await saveDescription(tx, id, described)
        const { version } = await tx.one<{ version: number }>(sql`
          update ingest.media set version = version + 1 where family_id = ${familyId} and id = ${id} returning version`)
        await publish(tx, MediaIngested, { mediaId: id, version, kind: item.kind })
        moved++
      }
      return items.map(item => item.id)
    })
    const last = ids.at(-1)
    if (last === undefined) return moved
    after = last
  }
}
