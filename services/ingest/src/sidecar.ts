import { cleanTags, cleanText, defined, validPosition, type MetadataFacts } from './facts.js'
import { parseXmp } from './xmp.js'
import { xmpFacts } from './xmp-facts.js'

/** Larger files are no sidecars. */
export const MAX_SIDECAR_BYTES = 2 * 1024 * 1024

/** Whether a file may be a sidecar, by its name alone. */
export const mayBeSidecar = (fileName: string): boolean => /\.(?:xmp|json)$/i.test(fileName)

// Google cuts ".supplemental-metadata" so that the whole name keeps within 51 characters.
const SUPPLEMENTAL = 'supplemental-metadata'

const withoutSupplement = (name: string): string => {
  const dot = name.lastIndexOf('.')
  const end = name.slice(dot + 1)
  return dot > 0 && end !== '' && SUPPLEMENTAL.startsWith(end) ? name.slice(0, dot) : name
}

/**
 * What a sidecar is beside: the lower-case name (`img_1.jpg`) or stem (`img_1`) of its item. `IMG_1.xmp` and `IMG_1.jpg.xmp` both
 * work, and Takeout's `IMG_1.jpg.json`, `IMG_1.jpg.supplemental-metadata.json` and `IMG_1.jpg(2).json` (beside `IMG_1(2).jpg`).
 */
export function sidecarTarget(fileName: string): string {
  const stem = fileName
    .normalize('NFC')
    .toLowerCase()
    .replace(/\.(?:xmp|json)$/, '')
  if (!/\.json$/i.test(fileName)) return stem
  const counter = /(\(\d+\))$/.exec(stem)
  const bare = withoutSupplement(counter ? stem.slice(0, -counter[1]!.length) : stem)
  return counter ? bare.replace(/(\.[a-z0-9]{2,5})?$/, `${counter[1]}$1`) : bare
}

/** Whether a sidecar with this target is beside a file of this name. */
export function isBeside(target: string, fileName: string): boolean {
  const name = fileName.normalize('NFC').toLowerCase()
  return target === name || target === stemOf(name)
}

/** A name without its extension, lower case. */
export const stemOf = (fileName: string): string =>
  fileName
    .normalize('NFC')
    .toLowerCase()
    .replace(/(?<=.)\.[^.]*$/, '')

/** Reads a sidecar; undefined when it is none that is known, so that the file counts as ignored. */
export function parseSidecar(fileName: string, bytes: Uint8Array): MetadataFacts | undefined {
  if (bytes.length > MAX_SIDECAR_BYTES) return undefined
  if (/\.xmp$/i.test(fileName)) {
    const xmp = parseXmp(bytes)
    return xmp && xmpFacts(xmp)
  }
  return takeout(bytes)
}

/** Google Takeout: the time counts in UTC, a position of (0, 0) is none. */
function takeout(bytes: Uint8Array): MetadataFacts | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(bytes).replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
  const timestamp = Number(at(json, 'photoTakenTime', 'timestamp') ?? NaN)
  if (!Number.isFinite(timestamp)) return undefined
  const position = ['geoData', 'geoDataExif']
    .map(key =>
      validPosition(
        Number(at(json, key, 'latitude') ?? NaN),
        Number(at(json, key, 'longitude') ?? NaN),
        Number(at(json, key, 'altitude') ?? NaN) || undefined,
      ),
    )
    .find(p => p !== undefined)
  return {
    readings: [],
    utcMs: timestamp * 1000,
    ...defined({ position, description: cleanText(at(json, 'description')) }),
  }
}

function at(node: unknown, ...path: string[]): unknown {
  let value = node
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** What the file says, with what stands beside it on top; tags are put together. */
export function mergeFacts(
  embedded: MetadataFacts,
  sidecar: MetadataFacts | undefined,
): Omit<MetadataFacts, 'readings'> {
  if (!sidecar) return embedded
  const tags = cleanTags([...(sidecar.tags ?? []), ...(embedded.tags ?? [])])
  // How the pixels lie is the file's business: decoders know nothing of a sidecar.
  const { orientation: _, ...beside } = sidecar
  return { ...embedded, ...beside, ...(tags.length > 0 && { tags }) }
}
