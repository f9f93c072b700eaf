import { sql, type FamilyTx } from '@keepsake/db'
import { bury, isGone, MediaChanged, publish, type MediaRated } from '@keepsake/events'
import type { Assignment, Person } from '@keepsake/proto/cluster/v1'
import type { Child, Family } from '@keepsake/proto/family/v1'
import { group } from './catalogue.js'
import { bump, lockFamily } from './version.js'

// Items that one event names at most.
const perEvent = 500

/** Takes ratings in: the values are in the event, an item that is not here is left alone. */
export async function takeRatings(tx: FamilyTx, event: MediaRated): Promise<void> {
  await lockFamily(tx)
  await tx.changed(sql`
    update album.media m set rating = r.value
    from unnest(${event.rated.map(r => r.mediaId)}::uuid[], ${event.rated.map(r => r.value)}::float8[]) as r (id, value)
    where m.family_id = ${tx.familyId} and m.id = r.id and m.rating is distinct from r.value`)
  await tx.changed(sql`
    update album.families set rating_version = greatest(rating_version, ${event.version}) where family_id = ${tx.familyId}`)
}

/** What cluster answered about some items. */
export interface PeopleAnswer {
  readonly version: number
  /** The items that were asked about: what is not assigned has nobody on it. */
  readonly mediaIds: readonly string[]
  readonly assignments: readonly Assignment[]
  /** Everyone in the family, hidden ones too; replaces who was known. */
  readonly people: readonly Person[]
}

/** Takes in who is on which item and who is who. An answer older than the one known changes nothing; else says how many people left items. */
export async function takePeople(tx: FamilyTx, answer: PeopleAnswer): Promise<number | undefined> {
  await lockFamily(tx)
  const { known } = await tx.one<{ known: number }>(sql`
    select people_version as known from album.families where family_id = ${tx.familyId}`)
  if (known > answer.version) return undefined
  const { people } = answer
  const ids = people.map(p => p.id)
  await tx.changed(sql`delete from album.people where family_id = ${tx.familyId} and not id = any(${ids}::uuid[])`)
  await tx.changed(sql`
    insert into album.people (family_id, id, name, child_id, hidden)
    select ${tx.familyId}, * from unnest(${ids}::uuid[], ${people.map(p => p.name ?? '')}::text[],
      ${people.map(p => (p.childId === undefined || p.childId === '' ? null : p.childId))}::uuid[], ${people.map(p => p.hidden)}::bool[])
    on conflict (family_id, id) do update set name = excluded.name, child_id = excluded.child_id, hidden = excluded.hidden`)

  const pairs = answer.assignments.flatMap(a =>
    a.personId === undefined ? [] : [{ media: a.mediaId, person: a.personId }],
  )
  const gone = new Set<string>()
  for (const id of new Set(pairs.map(p => p.media))) if (await isGone(tx, group, 'media', id)) gone.add(id)
  const kept = pairs.filter(p => !gone.has(p.media))
  const moved = await tx.many<{ mediaId: string; personId: string }>(sql`
    delete from album.media_people mp
    where mp.family_id = ${tx.familyId} and (mp.media_id = any(${answer.mediaIds}::uuid[]) or not mp.person_id = any(${ids}::uuid[]))
      and not exists (
        select 1 from unnest(${pairs.map(p => p.media)}::uuid[], ${pairs.map(p => p.person)}::uuid[]) as n (media, person)
        where n.media = mp.media_id and n.person = mp.person_id)
    returning mp.media_id, mp.person_id`)
  const come = await tx.many<{ mediaId: string; personId: string }>(sql`
    insert into album.media_people (family_id, person_id, media_id)
    select distinct ${tx.familyId}::uuid, * from unnest(${kept.map(p => p.person)}::uuid[], ${kept.map(p => p.media)}::uuid[])
    on conflict do nothing returning media_id, person_id`)
  await tx.changed(sql`
    update album.families set people_version = ${answer.version} where family_id = ${tx.familyId}`)
  await tellBlocked(tx, [...moved, ...come])
  return moved.length
}

/** Says of items that a block covers now, or no longer, because of who is on them: what was made of them is looked at again. */
async function tellBlocked(tx: FamilyTx, changed: readonly { mediaId: string; personId: string }[]): Promise<void> {
  if (changed.length === 0) return
  const people = [...new Set(changed.map(c => c.personId))]
  const blocked = await tx.many<{ personId: string }>(sql`
    select distinct person_id from album.blocks
    where family_id = ${tx.familyId} and kind = 'person' and person_id = any(${people}::uuid[])`)
  const named = new Set(blocked.map(row => row.personId))
  const mediaIds = [...new Set(changed.filter(c => named.has(c.personId)).map(c => c.mediaId))].sort()
  if (mediaIds.length === 0) return
  const version = await bump(tx)
  for (let i = 0; i < mediaIds.length; i += perEvent)
    await publish(tx, MediaChanged, { mediaIds: mediaIds.slice(i, i + perEvent), version, what: ['blocks'] })
}

/** Takes in the family's plan, zone and children. */
export async function takeFamily(tx: FamilyTx, family: Family, children: readonly Child[]): Promise<void> {
  await lockFamily(tx)
  await tx.changed(sql`
    update album.families set plan = ${family.plan}, time_zone = ${family.timeZone || 'UTC'} where family_id = ${tx.familyId}`)
  await tx.changed(sql`
    delete from album.children
    where family_id = ${tx.familyId} and not id = any(${children.map(c => c.id)}::uuid[])`)
  await tx.changed(sql`
    insert into album.children (family_id, id, name, birth_date)
    select ${tx.familyId}, * from unnest(${children.map(c => c.id)}::uuid[], ${children.map(c => c.name)}::text[],
      ${children.map(c => c.birthDate)}::date[])
    on conflict (family_id, id) do update set name = excluded.name, birth_date = excluded.birth_date`)
}

/** Who is who and who is on what, forgotten: consent was withdrawn. Says how many rows. */
export async function forgetPeople(tx: FamilyTx): Promise<number> {
  await lockFamily(tx)
  const on = await tx.changed(sql`delete from album.media_people where family_id = ${tx.familyId}`)
  return on + (await tx.changed(sql`delete from album.people where family_id = ${tx.familyId}`))
}

/** Removes everything that album keeps of a family. Items of which it hears later, while ingest is still at it, stay out. Says how many rows. */
export async function forgetFamily(tx: FamilyTx): Promise<number> {
  await lockFamily(tx)
  await bury(tx, group, 'family', [tx.familyId])
  let rows = 0
  for (const remove of [
    sql`delete from album.media where family_id = ${tx.familyId}`,
    sql`delete from album.media_people where family_id = ${tx.familyId}`,
    sql`delete from album.people where family_id = ${tx.familyId}`,
    sql`delete from album.collections where family_id = ${tx.familyId}`,
    sql`delete from album.edits where family_id = ${tx.familyId}`,
    sql`delete from album.blocks where family_id = ${tx.familyId}`,
    sql`delete from album.children where family_id = ${tx.familyId}`,
    sql`delete from album.changes where family_id = ${tx.familyId}`,
    sql`delete from album.idempotency where family_id = ${tx.familyId}`,
    sql`delete from album.feed_readers where family_id = ${tx.familyId}`,
    sql`delete from album.families where family_id = ${tx.familyId}`,
  ])
    rows += await tx.changed(remove)
  return rows
}
