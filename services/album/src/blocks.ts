import { isId, sql, type FamilyTx } from '@keepsake/db'
import { MediaChanged, publish } from '@keepsake/events'
import type { Block, ListBlocksResponse } from '@keepsake/proto/album/v1'
import { noteThing } from './changes.js'
import { errors } from './errors.js'
import { existing } from './ids.js'
import { bump, lockFamily } from './version.js'

/** A block as it is stored. */
export interface BlockRow {
  id: string
  kind: string
  personId: string | null
  fromDay: string | null
  toDay: string | null
  latitude: number | null
  longitude: number | null
  radiusKm: number | null
  city: string
  region: string
  country: string
  mode: string
  until: Date | null
}

/** What of an item a block can speak of. */
export interface Blockable {
  personIds: readonly string[]
  localDay: string
  latitude: number | null
  longitude: number | null
  city: string
  region: string
  country: string
}

/** The blocks that cover an item at a time, and the strongest of them: never before less. */
export function blocksOf(
  item: Blockable,
  blocks: readonly BlockRow[],
  now: Date,
): { mode: '' | 'less' | 'never'; ids: string[] } {
  const hits = blocks.filter(block => (block.until === null || block.until > now) && covers(block, item))
  const mode = hits.some(block => block.mode === 'never') ? 'never' : hits.length > 0 ? 'less' : ''
  return { mode, ids: hits.map(block => block.id) }
}

function covers(block: BlockRow, item: Blockable): boolean {
  switch (block.kind) {
    case 'person':
      return block.personId !== null && item.personIds.includes(block.personId)
    case 'dates':
      return (block.fromDay ?? '') <= item.localDay && item.localDay <= (block.toDay ?? '9999-12-31')
    case 'place':
      return block.radiusKm === null ? isNamed(block, item) : isNear(block, item)
    default:
      return false
  }
}

function isNamed(block: BlockRow, item: Blockable): boolean {
  const names = (['city', 'region', 'country'] as const).filter(name => block[name] !== '')
  return names.length > 0 && names.every(name => block[name].toLowerCase() === item[name].toLowerCase())
}

function isNear(block: BlockRow, item: Blockable): boolean {
  if (block.latitude === null || block.longitude === null || item.latitude === null || item.longitude === null)
    return false
  return distanceKm(block.latitude, block.longitude, item.latitude, item.longitude) <= (block.radiusKm ?? 0)
}

const earthRadiusKm = 6371.0088 // IUGG mean radius

/** Great-circle distance (haversine), km. */
export function distanceKm(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const rad = Math.PI / 180
  const h =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lon2 - lon1) * rad) / 2) ** 2
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(h)))
}

const columns = sql`id, kind, person_id, from_day, to_day, latitude, longitude, radius_km, city, region, country, mode, until`

/** Every block of the family. */
export function blockRows(tx: FamilyTx): Promise<BlockRow[]> {
  return tx.many<BlockRow>(sql`select ${columns} from album.blocks where family_id = ${tx.familyId} order by id`)
}

/** The family's blocks, for parents and services. */
export async function listBlocks(tx: FamilyTx): Promise<ListBlocksResponse> {
  return { blocks: (await blockRows(tx)).map(toBlock) }
}

/** Makes a block; everything derived follows. */
export async function createBlock(tx: FamilyTx, wanted: Block | undefined): Promise<Block> {
  const block = checked(wanted)
  await lockFamily(tx)
  const { place } = block
  const row = await tx.one<BlockRow>(sql`
    insert into album.blocks (family_id, kind, person_id, from_day, to_day, latitude, longitude, radius_km, city, region, country, mode, until)
    values (${tx.familyId}, ${block.kind}, ${block.personId}, ${block.from}, ${block.to}, ${place?.latitude}, ${place?.longitude},
            ${block.radiusKm}, ${place?.city ?? ''}, ${place?.region ?? ''}, ${place?.country ?? ''}, ${block.mode}, ${block.until})
    returning ${columns}`)
  await say(tx, row.id, 'put')
  return toBlock(row)
}

/** Takes a block back. */
export async function deleteBlock(tx: FamilyTx, blockId: string): Promise<void> {
  const id = existing(blockId, errors.blockNotFound)
  await lockFamily(tx)
  const gone = await tx.changed(sql`delete from album.blocks where family_id = ${tx.familyId} and id = ${id}`)
  if (gone === 0) throw errors.blockNotFound()
  await say(tx, id, 'delete')
}

async function say(tx: FamilyTx, id: string, op: 'put' | 'delete'): Promise<void> {
  const version = await bump(tx)
  await noteThing(tx, version, 'block', id, op, 'parents')
  await publish(tx, MediaChanged, { mediaIds: [], version, what: ['blocks'] })
}

function checked(block: Block | undefined): Block {
  if (block === undefined) throw errors.invalidBlock('Say what to block.')
  if (block.mode !== 'less' && block.mode !== 'never') throw errors.invalidBlock('A block shows things less or never.')
  const base = { id: '', kind: block.kind, mode: block.mode, until: block.until }
  const day = (text: string | undefined) =>
    text === undefined || (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)))
  switch (block.kind) {
    case 'person':
      if (block.personId === undefined || !isId(block.personId)) throw errors.invalidBlock('Name the person.')
      return { ...base, personId: block.personId.toLowerCase() }
    case 'dates': {
      const { from, to } = block
      if ((from === undefined && to === undefined) || !day(from) || !day(to) || (from ?? '') > (to ?? '9999-12-31'))
        throw errors.invalidBlock('Dates are written yyyy-mm-dd, the first before the last.')
      return { ...base, from, to }
    }
    case 'place': {
      const { place, radiusKm } = block
      const circle = radiusKm !== undefined && place?.latitude !== undefined && place.longitude !== undefined
      const named = place !== undefined && [place.city, place.region, place.country].some(name => name.trim() !== '')
      if (radiusKm !== undefined ? !circle || !(radiusKm > 0 && radiusKm <= 20_040) : !named)
        throw errors.invalidBlock('A place is a city, region or country by name, or a position with a radius in km.')
      return { ...base, place, radiusKm }
    }
    default:
      throw errors.invalidBlock('A block is of a person, of dates or of a place.')
  }
}

function toBlock(row: BlockRow): Block {
  const { latitude, longitude, city, region, country } = row
  return {
    id: row.id,
    kind: row.kind,
    mode: row.mode,
    ...(row.personId === null ? {} : { personId: row.personId }),
    ...(row.fromDay === null ? {} : { from: row.fromDay }),
    ...(row.toDay === null ? {} : { to: row.toDay }),
    ...(row.kind === 'place'
      ? {
          place: {
            latitude: latitude ?? undefined,
            longitude: longitude ?? undefined,
            city,
            region,
            country,
            countryCode: '',
          },
        }
      : {}),
    ...(row.radiusKm === null ? {} : { radiusKm: row.radiusKm }),
    ...(row.until === null ? {} : { until: row.until }),
  }
}
