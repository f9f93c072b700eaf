import { isUniqueViolation, sql, type FamilyTx } from '@keepsake/db'
import type { Collection, ListCollectionsResponse, UpdateCollectionRequest } from '@keepsake/proto/album/v1'
import { noteMedia, noteThing } from './changes.js'
import { errors } from './errors.js'
import { distinct, existing } from './ids.js'
import { requireVisible } from './media.js'
import { bump, lockFamily } from './version.js'
import { visibleTo, type Viewer } from './viewer.js'

const longestName = 200 // characters

/** The collections in which the viewer sees something (parents: all of them), by name, with the number of items seen. */
export async function listCollections(tx: FamilyTx, viewer: Viewer): Promise<ListCollectionsResponse> {
  const rows = await tx.many<Collection>(sql`
    select c.id, c.name, count(m.id) as media_count
    from album.collections c
    left join album.collection_media cm on cm.family_id = c.family_id and cm.collection_id = c.id
    left join album.media m on m.family_id = cm.family_id and m.id = cm.media_id and m.trashed_at is null and ${visibleTo(viewer)}
    where c.family_id = ${tx.familyId}
    group by c.id, c.name having ${viewer.parent} or count(m.id) > 0
    order by c.name, c.id`)
  return { collections: rows }
}

/** Makes a collection, with items in it. */
export async function createCollection(
  tx: FamilyTx,
  viewer: Viewer,
  name: string,
  mediaIds: readonly string[],
): Promise<Collection> {
  const ids = distinct(mediaIds, errors.mediaNotFound)
  await lockFamily(tx)
  await requireVisible(tx, viewer, ids)
  const version = await bump(tx)
  const id = await insert(tx, checkedName(name))
  await noteThing(tx, version, 'collection', id, 'put', 'everyone')
  await put(tx, version, id, ids)
  return one(tx, viewer, id)
}

/** Renames a collection, puts items in, takes items out. */
export async function updateCollection(
  tx: FamilyTx,
  viewer: Viewer,
  request: UpdateCollectionRequest,
): Promise<Collection> {
  const id = existing(request.id, errors.collectionNotFound)
  const add = distinct(request.addMediaIds, errors.mediaNotFound)
  const remove = distinct(request.removeMediaIds, errors.mediaNotFound)
  await lockFamily(tx)
  await one(tx, viewer, id)
  await requireVisible(tx, viewer, [...new Set([...add, ...remove])])
  const version = await bump(tx)
  if (request.name !== undefined) {
    const name = checkedName(request.name)
    await orExists(
      tx.changed(sql`update album.collections set name = ${name} where family_id = ${tx.familyId} and id = ${id}`),
    )
  }
  await put(tx, version, id, add)
  if (remove.length > 0) {
    await tx.changed(sql`
      delete from album.collection_media
      where family_id = ${tx.familyId} and collection_id = ${id} and media_id = any(${remove}::uuid[])`)
    await touch(tx, version, remove)
  }
  await noteThing(tx, version, 'collection', id, 'put', 'everyone')
  return one(tx, viewer, id)
}

/** Removes a collection; its items stay in the album. Only parents. */
export async function deleteCollection(tx: FamilyTx, viewer: Viewer, collectionId: string): Promise<void> {
  const id = existing(collectionId, errors.collectionNotFound)
  await lockFamily(tx)
  await one(tx, viewer, id)
  if (!viewer.parent) throw errors.notYours()
  const version = await bump(tx)
  const items = await tx.many<{ mediaId: string }>(sql`
    delete from album.collection_media where family_id = ${tx.familyId} and collection_id = ${id} returning media_id`)
  await tx.changed(sql`delete from album.collections where family_id = ${tx.familyId} and id = ${id}`)
  await touch(
    tx,
    version,
    items.map(item => item.mediaId),
  )
  await noteThing(tx, version, 'collection', id, 'delete', 'everyone')
}

/** Puts a new item into the collections that its upload named; they are made where they are missing. */
export async function putIntoNamedCollections(
  tx: FamilyTx,
  version: number,
  mediaId: string,
  names: readonly string[],
): Promise<void> {
  for (const name of new Set(names.map(n => n.trim().slice(0, longestName)).filter(n => n !== ''))) {
    const known = await tx.maybe<{ id: string }>(sql`
      select id from album.collections where family_id = ${tx.familyId} and name = ${name}`)
    const id = known?.id ?? (await insert(tx, name))
    if (known === undefined) await noteThing(tx, version, 'collection', id, 'put', 'everyone')
    await tx.changed(sql`
      insert into album.collection_media (family_id, collection_id, media_id) values (${tx.familyId}, ${id}, ${mediaId})
      on conflict do nothing`)
  }
}

async function insert(tx: FamilyTx, name: string): Promise<string> {
  const row = await orExists(
    tx.one<{ id: string }>(
      sql`insert into album.collections (family_id, name) values (${tx.familyId}, ${name}) returning id`,
    ),
  )
  return row.id
}

async function put(tx: FamilyTx, version: number, id: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.changed(sql`
    insert into album.collection_media (family_id, collection_id, media_id)
    select ${tx.familyId}, ${id}, unnest(${ids}::uuid[]) on conflict do nothing`)
  await touch(tx, version, ids)
}

/** The items themselves changed: their entry names their collections. */
async function touch(tx: FamilyTx, version: number, ids: readonly string[]): Promise<void> {
  await tx.changed(sql`
    update album.media set version = ${version} where family_id = ${tx.familyId} and id = any(${ids}::uuid[])`)
  await noteMedia(tx, version, ids, 'put')
}

async function one(tx: FamilyTx, viewer: Viewer, id: string): Promise<Collection> {
  const { collections } = await listCollections(tx, viewer)
  const found = collections.find(collection => collection.id === id)
  if (found === undefined) throw errors.collectionNotFound()
  return found
}

function checkedName(name: string): string {
  const trimmed = name.normalize('NFC').trim()
  if (trimmed === '' || [...trimmed].length > longestName)
    throw errors.invalidCollection(`A collection's name has 1 to ${longestName} characters.`)
  return trimmed
}

const orExists = <T>(query: Promise<T>): Promise<T> =>
  query.catch((error: unknown) => {
    throw isUniqueViolation(error) ? errors.collectionExists() : error
  })
