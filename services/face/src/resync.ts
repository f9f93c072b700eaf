import { sql, type FamilyTx, type Tx } from '@keepsake/db'
import { FacesDetected, publish, type Resync } from '@keepsake/events'
import { holding } from './store.js'

/** How faces.detected is published again. */
export const facesResync: Resync = {
  topic: FacesDetected,
  families: async (tx: Tx) =>
    (await tx.many<{ familyId: string }>(sql`select distinct family_id from face.items`)).map(row => row.familyId),
  publish: async (tx: FamilyTx) => {
    const items = await tx.many<{ mediaId: string; version: number; faces: number }>(sql`
      select media_id, version, (select count(*) from face.faces f where f.family_id = i.family_id and f.media_id = i.media_id
        and f.pipeline = i.pipeline) as faces
      from face.items i where family_id = ${tx.familyId} and pipeline = ${holding(tx)} order by media_id`)
    for (const item of items) await publish(tx, FacesDetected, item)
  },
}
