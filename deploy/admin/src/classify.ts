import { keyNames, type Tombstone } from '@keepsake/media/key-store'

/** Schemas that a backup holds. */
export const schemas = ['events', 'family', 'ingest', 'album', 'face', 'cluster', 'rating', 'render'] as const

/** The one table of schema events that is state: everything else there speaks of one database's transactions and is made anew. */
const kept = 'events.tombstones'

/** What is not worth keeping: answers of the last day, counted guesses, parts of uploads that are under way, receipts' own to-do lists. */
const left = new Set([
  'family.idempotency',
  'album.idempotency',
  'render.idempotency',
  'family.sign_in_failures',
  'ingest.upload_parts',
  'rating.erasures',
  'face.erasures',
  'render.erasures',
])

/** Whether a table goes into a backup. */
export const isKept = (table: string): boolean =>
  table.startsWith('events.') ? table === kept : !left.has(table) && !table.endsWith('.metrics')

/** Columns that decide about a row's keys, where the table has them. */
export const deciding = ['family_id', 'media_id', 'id', 'member_id', 'state'] as const

/** Tables with rows about what was seen in an item. */
const seen = new Set(['face.faces', 'face.removed', 'cluster.faces', 'rating.items'])
/** Tables with rows about who is who. */
const people = new Set([
  'cluster.people',
  'cluster.corrections',
  'cluster.questions',
  'cluster.child_proposals',
  'album.people',
  'album.media_people',
])
/** Tables of items: their own id is the item's. */
const items = new Set(['album.media', 'ingest.media'])
/** Tables of what a member wrote, liked or is called; others only say who did something. */
const ofMembers = new Set(['family.members', 'family.group_members', 'album.comments', 'album.favourites'])

/** The keys that a row needs, all of them: a family and names of data keys. undefined: the row is left out. `platform`: belongs to no family. */
export function keysOfRow(
  table: string,
  row: Readonly<Record<string, string | null | undefined>>,
): { familyId: string; names: string[] } | 'platform' | undefined {
  const familyId = row['family_id']
  if (!familyId) return 'platform'
  if (table === 'ingest.uploads' && row['state'] === 'open') return undefined
  const names: string[] = []
  const item = items.has(table) ? row['id'] : row['media_id']
  if (item) names.push(keyNames.item(item))
  if (item && seen.has(table)) names.push(keyNames.faces(item))
  if (people.has(table)) names.push(keyNames.people)
  const member = row['member_id']
  if (member && ofMembers.has(table)) names.push(keyNames.member(member))
  return { familyId, names: names.length > 0 ? names : [keyNames.rest] }
}

/** What a snapshot knows of a family's objects. */
export interface FamilyObjects {
  readonly media: ReadonlySet<string>
  /** Items that a segment shows, by its hash. */
  readonly segments: ReadonlyMap<string, readonly string[]>
  /** The stored film of a movie and the items in it. */
  readonly films: ReadonlyMap<string, { film: number; items: readonly string[] }>
}

/** The data keys that an object needs; undefined: it is not part of the snapshot (left over, or newer). */
export function keysOfObject(familyId: string, key: string, known: FamilyObjects): string[] | undefined {
  const [kind = '', id = '', ...rest] = key.slice(`families/${familyId}/`.length).split('/')
  if (kind === 'media') {
    if (!known.media.has(id)) return undefined
    return rest[0] === 'faces' ? [keyNames.item(id), keyNames.faces(id)] : [keyNames.item(id)]
  }
  if (kind !== 'movies') return undefined
  if (id === 'segments') return shown(known.segments.get(rest[0]?.replace(/\.mp4$/, '') ?? ''))
  const film = known.films.get(id)
  return film !== undefined && rest[0] === String(film.film) ? shown(film.items) : undefined
}

const shown = (mediaIds: readonly string[] | undefined): string[] | undefined => {
  if (mediaIds === undefined) return undefined
  const names = [...new Set(mediaIds)].sort().map(keyNames.item)
  return names.length > 0 ? names : [keyNames.rest]
}

/**
 * Whether an erasure concerns a key. `complete` are the erasures that a snapshot has the end of: a key of faces that is made after that holds nothing
 * that was erased. Items, members and families never come back.
 */
export function concerns(tombstone: Tombstone, name: string, complete: ReadonlySet<string>): boolean {
  const { kind, ids, mediaIds, erasureId } = tombstone
  switch (kind) {
    case 'item':
      return ids.some(id => name.startsWith(`items/${id}/`))
    case 'member':
      return ids.some(id => name === keyNames.member(id))
    case 'family':
      return true
    case 'face':
      return !complete.has(erasureId) && mediaIds.some(id => name === keyNames.faces(id))
    default:
      return !complete.has(erasureId) && (name === keyNames.people || name.endsWith('/faces'))
  }
}
