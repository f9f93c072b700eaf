import { sql, type FamilyTx } from '@keepsake/db'
import { MediaChanged, publish } from '@keepsake/events'
import type { FactChanges } from '@keepsake/proto/album/v1'
import type { MemberCaller } from '@keepsake/rpc'
import { factColumns, factValues, setWords } from './catalogue.js'
import { noteMedia, noteThing } from './changes.js'
import { errors } from './errors.js'
import {
  correctable,
  factsOf,
  shifted,
  type Correctable,
  type Corrections,
  type IngestedFacts,
  type Place,
} from './facts.js'
import { distinct, existing } from './ids.js'
import { offsetAt, parseLocal } from './local-time.js'
import { requireOwned } from './media.js'
import { bump, lockFamily } from './version.js'
import { viewerOf } from './viewer.js'

const longestDescription = 4_000 // characters
const longestName = 200 // characters of a place's name
const mostShift = 100 * 366 * 86_400 // seconds; a clock that was never set is decades off

/** What one edit does to any item: fields to set, fields to take back, seconds to move the clock by. */
interface Edit {
  readonly set: Corrections
  readonly clear: readonly Correctable[]
  readonly shiftSeconds: number | undefined
}

interface Item {
  id: string
  fileName: string
  ingested: IngestedFacts
  corrections: Corrections
}

/** Corrects facts of items, all or nothing. Returns the edit's id, by which it can be taken back. */
export async function editMedia(
  tx: FamilyTx,
  who: MemberCaller,
  mediaIds: readonly string[],
  changes: FactChanges | undefined,
): Promise<string> {
  const ids = distinct(mediaIds, errors.mediaNotFound)
  if (ids.length === 0 || ids.length > 500) throw errors.invalidRequest('Name between 1 and 500 items.')
  const edit = checkedEdit(changes)
  await lockFamily(tx)
  await requireOwned(tx, viewerOf({ caller: who }), ids)
  const items = await itemsOf(tx, ids)
  const { id } = await tx.one<{ id: string }>(sql`
    insert into album.edits (family_id, member_id) values (${tx.familyId}, ${who.memberId}) returning id`)
  const version = await bump(tx)
  await apply(tx, version, items, item => corrected(item, edit), id)
  await noteThing(tx, version, 'edit', id, 'put', 'parents', who.memberId)
  return id
}

/** Takes an edit back: each field it set stands again as before, unless somebody has corrected it once more since. */
export async function undoEdit(tx: FamilyTx, who: MemberCaller, editId: string): Promise<void> {
  const id = existing(editId, errors.editNotFound)
  await lockFamily(tx)
  const edit = await tx.maybe<{ memberId: string; undone: boolean }>(sql`
    select member_id, undone from album.edits where family_id = ${tx.familyId} and id = ${id}`)
  if (edit === undefined || (who.role !== 'parent' && edit.memberId !== who.memberId)) throw errors.editNotFound()
  if (edit.undone) return
  const touched = await tx.many<{ mediaId: string; before: Corrections; after: Corrections }>(sql`
    select media_id, before, after from album.edit_items where family_id = ${tx.familyId} and edit_id = ${id}`)
  const by = new Map(touched.map(item => [item.mediaId, item]))
  await tx.changed(sql`update album.edits set undone = true where family_id = ${tx.familyId} and id = ${id}`)
  const version = await bump(tx)
  await noteThing(tx, version, 'edit', id, 'delete', 'parents', who.memberId)
  await apply(tx, version, await itemsOf(tx, [...by.keys()]), item => {
    const was = by.get(item.id)
    return was === undefined ? item.corrections : takenBack(item.corrections, was.before, was.after)
  })
}

/** The corrections of an item without what one edit did; a field that differs from what the edit left belongs to a later one. */
export function takenBack(now: Corrections, before: Corrections, after: Corrections): Corrections {
  const out: Record<string, unknown> = { ...now }
  for (const field of correctable) {
    if (same(before[field], after[field]) || !same(now[field], after[field])) continue
    if (before[field] === undefined) Reflect.deleteProperty(out, field)
    else out[field] = before[field]
  }
  return out
}

async function itemsOf(tx: FamilyTx, ids: readonly string[]): Promise<Item[]> {
  return tx.many<Item>(sql`
    select id, file_name, ingested, corrections from album.media
    where family_id = ${tx.familyId} and id = any(${ids}::uuid[]) order by id`)
}

async function apply(
  tx: FamilyTx,
  version: number,
  items: readonly Item[],
  change: (item: Item) => Corrections,
  editId?: string,
): Promise<void> {
  const changed: string[] = []
  let rotated = false
  for (const item of items) {
    const after = change(item)
    if (correctable.every(field => same(item.corrections[field], after[field]))) continue
    changed.push(item.id)
    rotated ||= (item.corrections.rotation ?? 0) !== (after.rotation ?? 0)
    const facts = factsOf(item.ingested, after)
    await tx.changed(sql`
      update album.media set version = ${version}, corrections = ${sql.json(after)}, (${factColumns}) = row(${factValues(facts)})
      where family_id = ${tx.familyId} and id = ${item.id}`)
    await setWords(tx, item.id, { fileName: item.fileName, ingested: item.ingested, facts })
    if (editId !== undefined)
      await tx.changed(sql`
        insert into album.edit_items (family_id, edit_id, media_id, before, after)
        values (${tx.familyId}, ${editId}, ${item.id}, ${sql.json(item.corrections)}, ${sql.json(after)})`)
  }
  if (changed.length === 0) return
  await noteMedia(tx, version, changed, 'put')
  await publish(tx, MediaChanged, { mediaIds: changed, version, what: rotated ? ['facts', 'rotation'] : ['facts'] })
}

function corrected(item: Item, edit: Edit): Corrections {
  const out: Record<string, unknown> = { ...item.corrections, ...edit.set }
  for (const field of edit.clear) Reflect.deleteProperty(out, field)
  if (edit.shiftSeconds !== undefined)
    out['takenAt'] = shifted(factsOf(item.ingested, item.corrections), edit.shiftSeconds)
  return out
}

/** The changes as an edit. Throws FACTS_INVALID and says what is wrong. */
export function checkedEdit(changes: FactChanges | undefined): Edit {
  if (changes === undefined) throw errors.invalidFacts('Say what to change.')
  const set: { -readonly [K in keyof Corrections]: Corrections[K] } = {}
  if (changes.takenAt !== undefined) {
    if (parseLocal(changes.takenAt) === undefined)
      throw errors.invalidFacts('A capture time is written yyyy-mm-ddThh:mm:ss, or shorter where less is known.')
    set.takenAt = changes.takenAt
  }
  if (changes.timeZone !== undefined) {
    if (offsetAt(changes.timeZone, 0) === undefined)
      throw errors.invalidFacts('A time zone is a name like Asia/Tokyo, or an offset like +09:00.')
    set.timeZone = changes.timeZone
  }
  if (changes.place !== undefined) set.place = checkedPlace(changes.place)
  if (changes.description !== undefined) {
    const description = changes.description.normalize('NFC').trim()
    if ([...description].length > longestDescription)
      throw errors.invalidFacts(`A description has at most ${longestDescription} characters.`)
    set.description = description
  }
  if (changes.rotation !== undefined) {
    if (![0, 90, 180, 270].includes(changes.rotation))
      throw errors.invalidFacts('A rotation is 0, 90, 180 or 270 degrees.')
    set.rotation = changes.rotation
  }
  const clear = changes.clear.map(field => {
    const known = correctable.find(name => name === field)
    if (known === undefined) throw errors.invalidFacts(`Only ${correctable.join(', ')} can be taken back.`)
    if (set[known] !== undefined) throw errors.invalidFacts(`${known} cannot be set and taken back at once.`)
    return known
  })
  const { shiftSeconds } = changes
  if (shiftSeconds !== undefined) {
    if (set.takenAt !== undefined || set.timeZone !== undefined || clear.includes('takenAt'))
      throw errors.invalidFacts('A shift moves the time that is there: it goes with no other time.')
    if (shiftSeconds === 0 || Math.abs(shiftSeconds) > mostShift)
      throw errors.invalidFacts('A clock is shifted by up to a hundred years.')
  }
  if (Object.keys(set).length === 0 && clear.length === 0 && shiftSeconds === undefined)
    throw errors.invalidFacts('Say what to change.')
  return { set, clear, shiftSeconds }
}

/** A place that a person named. Throws FACTS_INVALID. */
function checkedPlace(place: Partial<Place>): Place {
  const { latitude, longitude } = place
  const [city, region, country, countryCode] = [place.city, place.region, place.country, place.countryCode].map(
    name => name?.normalize('NFC').trim() ?? '',
  ) as [string, string, string, string]
  if ([city, region, country].some(name => name.length > longestName) || !/^([A-Za-z]{2})?$/.test(countryCode))
    throw errors.invalidFacts('This is no place.')
  if (
    (latitude === undefined) !== (longitude === undefined) ||
    Math.abs(latitude ?? 0) > 90 ||
    Math.abs(longitude ?? 0) > 180
  )
    throw errors.invalidFacts('A position has a latitude from -90 to 90 and a longitude from -180 to 180.')
  return { latitude, longitude, city, region, country, countryCode: countryCode.toUpperCase() }
}

const same = (a: unknown, b: unknown) => canonical(a) === canonical(b)
const canonical = (value: unknown): string =>
  value !== null && typeof value === 'object'
    ? JSON.stringify(
        Object.entries(value)
          .filter(([, v]) => v !== undefined && v !== null)
          .sort(),
      )
    : (JSON.stringify(value) ?? '')
