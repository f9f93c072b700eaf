import { createRequire } from 'node:module'
import { IANAZone } from 'luxon'

const tzLookup = createRequire(import.meta.url)('@photostructure/tz-lookup') as (
  latitude: number,
  longitude: number,
) => string

const DAY_MS = 86_400_000

/** The IANA time zone at a position, on land and at sea; undefined when the position is none. */
export function zoneAt(latitude: number, longitude: number): string | undefined {
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180)) return undefined
  const zone = tzLookup(latitude, longitude)
  return IANAZone.isValidZone(zone) ? zone : undefined
}

/** Minutes east of UTC that a zone keeps at an instant. A name that is no zone counts as UTC. */
export function offsetAt(zone: string, instantMs: number): number {
  const iana = IANAZone.create(zone)
  return iana.isValid ? Math.round(iana.offset(instantMs)) : 0
}

/**
 * Minutes east of UTC that a zone keeps when its clocks show `asUtcMs` (a wall clock read as if it were UTC).
 * In the repeated hour of autumn both offsets are possible: the one nearest to `nearMs`, an instant known from elsewhere,
 * or without one the first pass. In the skipped hour of spring the offset from before: a camera that nobody has set yet.
 */
export function offsetForWall(zone: string, asUtcMs: number, nearMs?: number): number {
  const before = offsetAt(zone, asUtcMs - DAY_MS)
  const after = offsetAt(zone, asUtcMs + DAY_MS)
  const fits = [...new Set([before, after])].filter(o => offsetAt(zone, asUtcMs - o * 60_000) === o)
  const first = fits[0]
  if (first === undefined) return before
  if (nearMs === undefined) return first
  const distance = (o: number) => Math.abs(asUtcMs - o * 60_000 - nearMs)
  return fits.reduce((best, o) => (distance(o) < distance(best) ? o : best), first)
}

/** Whether a name is an IANA time zone, such as `Asia/Tokyo`. */
export const isTimeZone = (name: string): boolean => IANAZone.isValidZone(name)
