import { z } from 'zod'
import { holdsNul } from './authentication.js'
import { errors } from './errors.js'
import { audience } from './media.js'

/** What a client tells of a file when it opens an upload. */
export interface UploadMetadata {
  fileName: string
  fileType: string
  lastModified: Date | undefined
  /** JSON of an audience; empty: everyone. */
  audience: string
  relativePath: string
  sha256: string
  importId: string
  collections: string[]
}

/**
 * Reads tus' Upload-Metadata: `key base64,key base64`. Keys that we do not know are left alone.
 * Throws INVALID_REQUEST where a value is not what it must be.
 */
export function readUploadMetadata(header: string | undefined): UploadMetadata {
  const fields = new Map<string, string>()
  for (const pair of (header ?? '').split(',')) {
    const [key, value = '', ...more] = pair.trim().split(' ')
    if (key === undefined || key === '') continue
    if (more.length > 0 || !/^[\w.-]+$/.test(key) || !/^[A-Za-z0-9+/_-]*=*$/.test(value))
      throw errors.malformed('Upload-Metadata is not a list of keys and base64 values.')
    const decoded = Buffer.from(value, 'base64').toString('utf8')
    fields.set(key, key === 'filename' || key === 'name' ? decoded.replaceAll('\0', '') : decoded)
  }
  const text = (key: string, longest: number) => {
    const value = fields.get(key) ?? ''
    if (holdsNul(value)) throw errors.invalidRequest([{ field: key, problem: 'holds the character U+0000' }])
    if (value.length > longest) throw errors.invalidRequest([{ field: key, problem: `is longer than ${longest}` }])
    return value
  }
  const sha256 = text('sha256', 64).toLowerCase()
  if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256))
    throw errors.invalidRequest([{ field: 'sha256', problem: 'is not 64 hexadecimal digits' }])
  return {
    // No disk accepts a name with U+0000, so it says nothing of the file: the name is kept without it.
    fileName: text('filename', 1000) || text('name', 1000),
    fileType: text('filetype', 200),
    lastModified: readTime(text('lastModified', 40)),
    audience: readAudience(text('audience', 10_000)),
    relativePath: text('relativePath', 4000),
    sha256,
    importId: text('importId', 100),
    collections: readNames(text('collections', 10_000)),
  }
}

/** Milliseconds since 1970 or RFC 3339; what is neither says nothing. */
function readTime(value: string): Date | undefined {
  const time = new Date(/^-?\d{1,16}$/.test(value) ? Number(value) : value)
  const year = time.getUTCFullYear()
  // A clock that was never set says anything; Postgres keeps the years from -4712 on. NaN compares as false.
  return value !== '' && year >= 1 && year <= 9999 ? time : undefined
}

function readAudience(value: string): string {
  if (value === '') return ''
  try {
    return JSON.stringify(audience.parse(/^[a-z]+$/.test(value) ? { kind: value } : JSON.parse(value)))
  } catch {
    throw errors.invalidRequest([{ field: 'audience', problem: 'is no JSON such as {"kind":"everyone"}' }])
  }
}

/** A JSON list of names, or one name. */
function readNames(value: string): string[] {
  if (value === '') return []
  try {
    const names = z.array(z.string().min(1).max(200)).max(50).parse(JSON.parse(value))
    return names.map(name => name.replaceAll('\0', '')).filter(Boolean)
  } catch {
    return [value.slice(0, 200)]
  }
}
