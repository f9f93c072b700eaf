import { XMLParser } from 'fast-xml-parser'

/** Larger packets are not read: real ones are a few KB, some with previews inside reach hundreds. */
export const MAX_XMP_BYTES = 2 * 1024 * 1024

/** The properties of an XMP packet, by their customary prefix: `exif:DateTimeOriginal`. */
export interface Xmp {
  /** The text of a property; of a list its first entry, of alternatives the default language. */
  text(name: string): string | undefined
  /** Every entry of a list; one text counts as a list of one. */
  list(name: string): string[]
  /** The parsed node, for structures. */
  node(name: string): unknown
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
})

/**
 * Reads an XMP packet or sidecar (UTF-8 or UTF-16). Undefined when it is none, too large, or brings its own entities:
 * those exist to blow up parsers.
 */
export function parseXmp(source: string | Uint8Array): Xmp | undefined {
  if (source.length > MAX_XMP_BYTES) return undefined
  const text = typeof source === 'string' ? source : decode(source)
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text) || !text.includes('<')) return undefined
  let root: unknown
  try {
    root = parser.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
  const rdf = child(child(root, 'x:xmpmeta') ?? child(root, 'xmpmeta') ?? root, 'rdf:RDF')
  if (rdf === undefined) return undefined
  const properties = new Map<string, unknown>()
  for (const description of asArray(child(rdf, 'rdf:Description'))) {
    if (!isRecord(description)) continue
    for (const [key, value] of Object.entries(description)) {
      const name = (key.startsWith('@') ? key.slice(1) : key).replace(/^xap:/, 'xmp:')
      if (!name.startsWith('xmlns') && !properties.has(name)) properties.set(name, value)
    }
  }
  return {
    node: name => properties.get(name),
    list: name => entries(properties.get(name)),
    text: name => entries(properties.get(name))[0],
  }
}

function decode(bytes: Uint8Array): string {
  const [a, b] = bytes
  const encoding = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}

function entries(node: unknown): string[] {
  if (node === undefined || node === null) return []
  if (typeof node === 'string') return node === '' ? [] : [node]
  if (Array.isArray(node)) return node.slice(0, 1_000).flatMap(n => entries(n))
  if (!isRecord(node)) return []
  for (const list of ['rdf:Seq', 'rdf:Bag', 'rdf:Alt']) {
    if (!(list in node)) continue
    const items = asArray(child(node[list], 'rdf:li')).slice(0, 1_000)
    const standard = items.find(item => isRecord(item) && item['@xml:lang'] === 'x-default')
    return list === 'rdf:Alt' && standard ? entries(standard) : items.flatMap(item => entries(item))
  }
  const text = node['#text'] ?? node['rdf:value'] ?? node['@rdf:value']
  return typeof text === 'string' && text !== '' ? [text] : []
}

/** A record's property; undefined for anything that is no record. */
export const child = (node: unknown, key: string): unknown => (isRecord(node) ? node[key] : undefined)

/** One or many, as a list. */
export const asArray = (node: unknown): unknown[] => (node === undefined ? [] : Array.isArray(node) ? node : [node])

const isRecord = (node: unknown): node is Record<string, unknown> =>
  typeof node === 'object' && node !== null && !Array.isArray(node)
