import { isId, sql, type FamilyTx } from '@keepsake/db'
import { MediaChanged, publish } from '@keepsake/events'
import type { Audience } from '@keepsake/proto/album/v1'
import { noteMedia } from './changes.js'
import { errors } from './errors.js'
import { distinct } from './ids.js'
import { requireOwned } from './media.js'
import { bump, lockFamily } from './version.js'
import type { Viewer } from './viewer.js'

const kinds = new Set(['everyone', 'parents', 'groups', 'members'])
const nobodyElse: Audience = { kind: 'parents', ids: [] }

/** An audience as it may be stored. Throws AUDIENCE_INVALID. */
export function checkedAudience(audience: Audience | undefined): Audience {
  if (audience === undefined || !kinds.has(audience.kind))
    throw errors.invalidAudience('An audience is everyone, parents, groups or members.')
  const named = audience.kind === 'groups' || audience.kind === 'members'
  if (named !== audience.ids.length > 0)
    throw errors.invalidAudience(named ? 'Name at least one group or member.' : 'Only groups and members are named.')
  if (audience.ids.length > 100 || !audience.ids.every(isId))
    throw errors.invalidAudience('These are no groups or members.')
  return { kind: audience.kind, ids: [...new Set(audience.ids.map(id => id.toLowerCase()))] }
}

/** The audience that was given at upload, as JSON; empty is everyone. What cannot be read is for parents only: rather too few than too many. */
export function readAudience(json: string): Audience {
  if (json === '') return { kind: 'everyone', ids: [] }
  try {
    const { kind, ids } = JSON.parse(json) as { kind: string; ids?: string[] }
    return checkedAudience({ kind, ids: ids ?? [] })
  } catch {
    return nobodyElse
  }
}

/** Says who may see items from now on. */
export async function setAudience(
  tx: FamilyTx,
  viewer: Viewer,
  mediaIds: readonly string[],
  wanted: Audience | undefined,
): Promise<void> {
  const ids = distinct(mediaIds, errors.mediaNotFound)
  if (ids.length === 0 || ids.length > 500) throw errors.invalidRequest('Name between 1 and 500 items.')
  const audience = checkedAudience(wanted)
  await lockFamily(tx)
  await requireOwned(tx, viewer, ids)
  const changing = await tx.many<{ id: string }>(sql`
    select id from album.media
    where family_id = ${tx.familyId} and id = any(${ids}::uuid[])
      and (audience_kind, audience_ids) is distinct from (${audience.kind}, ${audience.ids}::uuid[])`)
  if (changing.length === 0) return
  const changed = changing.map(row => row.id)
  const version = await bump(tx)
  // Noted twice: those who could see the items before hear that they are gone, unless they are among those who see them now.
  await noteMedia(tx, version, changed, 'delete')
  await tx.changed(sql`
    update album.media set audience_kind = ${audience.kind}, audience_ids = ${audience.ids}::uuid[], version = ${version}
    where family_id = ${tx.familyId} and id = any(${changed}::uuid[])`)
  await noteMedia(tx, version, changed, 'put')
  await publish(tx, MediaChanged, { mediaIds: changed, version, what: ['audience'] })
}
