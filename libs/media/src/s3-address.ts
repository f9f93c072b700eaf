import { KeepsakeError } from '@keepsake/rpc'

type Env = Readonly<Record<string, string | undefined>>

/** Where a bucket is and how it is spoken to. */
export interface S3Address {
  bucket: string
  /** Put before every key, without slashes at its ends; may be empty. One bucket an environment needs none. */
  prefix: string
  /** `http:` or `https:`, host and port. */
  endpoint: URL
  region: string
  /** `path`: endpoint/bucket/key; `host`: bucket.endpoint/key. */
  style: 'path' | 'host'
  /** Whether the parts of uploads are tagged, which the rule that expires what was left over needs. */
  tags: boolean
  accessKey: string
  secretKey: string
}

/**
 * Reads `s3://BUCKET[/PREFIX]?endpoint=http://host:port&region=us-east-1&style=path|host&tags=on|off` with `KEEPSAKE_S3_ACCESS_KEY` and
 * `KEEPSAKE_S3_SECRET_KEY`. Without an endpoint it is Amazon's of the region; the style is then `host`, else `path`. Throws OBJECTS_ADDRESS_INVALID
 * with the sentence that names what is wrong, never with a key in it.
 */
export function parseS3Address(address: string, env: Env): S3Address {
  const url = parseUrl(address, 'KEEPSAKE_OBJECTS')
  if (url.protocol !== 's3:') throw invalid('KEEPSAKE_OBJECTS must begin with s3://.')
  const bucket = url.hostname
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw invalid('KEEPSAKE_OBJECTS names no valid S3 bucket.')
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '')
  if (!/^([A-Za-z0-9_=-][A-Za-z0-9._=-]*(\/|$))*$/.test(prefix)) {
    throw invalid('The prefix in KEEPSAKE_OBJECTS may hold letters, digits and ._=- between its slashes.')
  }
  for (const name of url.searchParams.keys()) {
    if (!['endpoint', 'region', 'style', 'tags'].includes(name)) throw invalid(`KEEPSAKE_OBJECTS knows no ${name}.`)
  }
  const region = url.searchParams.get('region') ?? 'us-east-1'
  const given = url.searchParams.get('endpoint')
  const endpoint = parseUrl(given ?? `https://s3.${region}.amazonaws.com`, 'The endpoint in KEEPSAKE_OBJECTS')
  if (!/^https?:$/.test(endpoint.protocol) || endpoint.pathname !== '/' || endpoint.search || endpoint.username) {
    throw invalid('The endpoint in KEEPSAKE_OBJECTS must be http:// or https:// with a host and nothing behind it.')
  }
  const accessKey = env['KEEPSAKE_S3_ACCESS_KEY'] ?? ''
  const secretKey = env['KEEPSAKE_S3_SECRET_KEY'] ?? ''
  if (accessKey === '' || secretKey === '') {
    throw invalid('An S3 store needs KEEPSAKE_S3_ACCESS_KEY and KEEPSAKE_S3_SECRET_KEY.')
  }
  const style = oneOf(url, 'style', ['path', 'host'] as const, given === null ? 'host' : 'path')
  const tags = oneOf(url, 'tags', ['on', 'off'] as const, 'on') === 'on'
  return { bucket, prefix, endpoint, region, style, tags, accessKey, secretKey }
}

/** Host (with its port where it is not the scheme's own) and path of a key as they stand in a request. Keys need no escaping but `=`. */
export function s3Location(
  address: Pick<S3Address, 'bucket' | 'prefix' | 'style'>,
  endpoint: URL,
  key: string,
): { host: string; path: string } {
  const name = escapePath(address.prefix === '' ? key : `${address.prefix}/${key}`)
  return address.style === 'path'
    ? { host: endpoint.host, path: `/${address.bucket}/${name}` }
    : { host: `${address.bucket}.${endpoint.host}`, path: `/${name}` }
}

const escapePath = (path: string) => path.split('/').map(encodeURIComponent).join('/')

function parseUrl(text: string, what: string): URL {
  try {
    return new URL(text)
  } catch {
    throw invalid(`${what} is no address.`)
  }
}

function oneOf<const T extends string>(url: URL, name: string, values: readonly T[], otherwise: T): T {
  const given = url.searchParams.get(name)
  if (given === null) return otherwise
  const found = values.find(value => value === given)
  if (found === undefined) throw invalid(`In KEEPSAKE_OBJECTS, ${name} may be ${values.join(' or ')}.`)
  return found
}

const invalid = (message: string) =>
  new KeepsakeError({ code: 'FAILED_PRECONDITION', reason: 'OBJECTS_ADDRESS_INVALID', message })
