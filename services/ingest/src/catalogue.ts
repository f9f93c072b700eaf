import { sql, type FamilyTx } from '@keepsake/db'
import { MediaAccepted, MediaIngested, publish } from '@keepsake/events'
import type { GetProgressResponse, Media } from '@keepsake/proto/ingest/v1'
import type { Call } from '@keepsake/rpc'
import { refuse } from './errors.js'
import type { Deps } from './deps.js'
import { groupDuplicates, type DuplicateGroup } from './duplicates.js'
import { lockItem, toMedia, type ItemRow } from './item.js'

const MOST_IDS = 500

/** What is known of items, in the order asked for; unknown and erased ones are left out. */
export async function getMedia(deps: Deps, ids: readonly string[], call: Call): Promise<Media[]> {
  if (ids.length > MOST_IDS) throw refuse('TOO_MANY_IDS')
  const uuids = ids.filter(id => /^[0-9a-f-]{36}$/i.test(id))
  const rows = await deps.db.familyRows<ItemRow>(
    call,
    familyId => sql`select * from ingest.media where family_id = ${familyId} and id = any(${uuids}::uuid[])`,
  )
  const byId = new Map(rows.map(row => [row.id, row]))
  return ids.flatMap(id => {
    const row = byId.get(id.toLowerCase())
    return row ? [toMedia(row)] : []
  })
}

/** Works on a failed item again. */
export async function retryMedia(deps: Deps, id: string, call: Call): Promise<void> {
  await deps.db.family(call, async tx => {
    const item = /^[0-9a-f-]{36}$/i.test(id) ? await lockItem(tx, id) : undefined
    if (!item) throw refuse('MEDIA_NOT_FOUND')
    if (item.state !== 'failed') throw refuse('MEDIA_NOT_FAILED')
    const { version } = await tx.one<{ version: number }>(sql`
      update ingest.media set state = 'pending', failure_code = null, failure_message = null, version = version + 1, changed_at = now()
      where family_id = ${tx.familyId} and id = ${id} returning version`)
    await publish(tx, MediaAccepted, { mediaId: id, version })
  })
}

/** How many items there are in each state. */
export async function getProgress(deps: Deps, call: Call): Promise<GetProgressResponse> {
  const [progress] = await deps.db.familyRows<GetProgressResponse>(
    call,
    familyId => sql`
      select count(*) as total, count(*) filter (where state = 'ready') as ready,
        count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'failed') as failed
      from ingest.media where family_id = ${familyId}`,
  )
  return progress ?? { total: 0, ready: 0, pending: 0, failed: 0 }
}

const MOST_FAMILIES = 32

/** Bursts and near duplicates of families, remembered until an item of the family changes. */
export class DuplicateGroups {
  readonly #known = new Map<string, { stamp: string; groups: DuplicateGroup[] }>()

  constructor(private readonly deps: Deps) {}

  /** Every group, or those that contain any of these items. */
  async list(mediaIds: readonly string[], call: Call): Promise<DuplicateGroup[]> {
    const groups = await this.deps.db.family(call, tx => this.#groups(tx))
    const wanted = new Set(mediaIds)
    return wanted.size === 0 ? groups : groups.filter(group => group.mediaIds.some(id => wanted.has(id)))
  }

  async #groups(tx: FamilyTx): Promise<DuplicateGroup[]> {
    const { stamp } = await tx.one<{ stamp: string }>(sql`
      select count(*) || ' ' || coalesce(max(changed_at)::text, '') as stamp from ingest.media
      where family_id = ${tx.familyId} and state = 'ready'`)
    const known = this.#known.get(tx.familyId)
    if (known?.stamp === stamp) return known.groups
    const items = await tx.many<{
      id: string
      hash: string
      takenAt: Date
      dated: boolean
      burstId: string | null
    }>(sql`
      select id, hash, taken_at, dated, burst_id from ingest.media where family_id = ${tx.familyId} and state = 'ready'`)
    const groups = groupDuplicates(
      items.map(({ id, hash, takenAt, dated, burstId }) => ({
        id,
        hash,
        at: takenAt.getTime(),
        dated,
        burstId: burstId ?? undefined,
      })),
    )
    this.#known.delete(tx.familyId)
    this.#known.set(tx.familyId, { stamp, groups })
    const oldest = this.#known.keys().next().value
    if (this.#known.size > MOST_FAMILIES && oldest !== undefined) this.#known.delete(oldest)
    return groups
  }
}

/** Says of every item of a family again what state it is in, for a consumer that starts anew. */
export async function publishState(tx: FamilyTx): Promise<void> {
  const items = await tx.many<Pick<ItemRow, 'id' | 'version' | 'state' | 'kind'>>(sql`
    select id, version, state, kind from ingest.media where family_id = ${tx.familyId} and state = 'ready' order by id`)
  for (const { id, version, kind } of items) await publish(tx, MediaIngested, { mediaId: id, version, kind })
}
