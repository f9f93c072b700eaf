import { signedUrlPath, verifySignedUrl, type ByteRange, type ObjectStat } from '@keepsake/media'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Edge } from './endpoint.js'
import { errors } from './errors.js'
import { objectPolicy } from './security-headers.js'

/**
 * Serves the URLs that the gateway signs, whatever store lies behind it: GET and HEAD with ranges and validators. The signature is the permission. (Where
 * `KEEPSAKE_OBJECTS_PUBLIC_URL` leads to an S3 store, its own presigned URLs are handed out instead.)
 */
export function registerObjects(server: FastifyInstance, edge: Edge): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    const signed = verifySignedUrl(edge.config.KEEPSAKE_OBJECTS_URL_KEY.reveal(), request.method, request.url)
    const stat = await edge.store.stat(signed.key)
    if (stat === undefined) throw errors.notFound()
    const etag = `"${stat.etag}"`
    const contentType = signed.contentType ?? stat.contentType
    void reply.headers({
      'content-type': contentType,
      'content-security-policy': objectPolicy,
      'accept-ranges': 'bytes',
      etag,
      'last-modified': stat.modifiedAt.toUTCString(),
      // The URL itself ends; until then the bytes under it do not change unless an item is erased.
      'cache-control': 'private, max-age=3600',
      'content-disposition': signed.disposition ?? (isShown(contentType) ? 'inline' : 'attachment'),
    })
    if (request.headers['if-none-match']?.split(/, */).includes(etag)) return reply.code(304).send()
    const range = rangeOf(request, stat, etag)
    if (range === undefined) {
      void reply.header('content-length', String(stat.size))
      return request.method === 'HEAD' ? reply.send() : reply.send(edge.store.get(signed.key))
    }
    void reply.code(206).headers({
      'content-range': `bytes ${range.start}-${range.end}/${stat.size}`,
      'content-length': String(range.end - range.start + 1),
    })
    return request.method === 'HEAD' ? reply.send() : reply.send(edge.store.get(signed.key, { range }))
  }
  server.route({ method: ['GET', 'HEAD'], url: `${signedUrlPath}*`, handler: serve })
}

/** Types that a browser shows as pictures, films or sound; everything else is saved, whatever it is called. */
const isShown = (contentType: string) => /^(image\/(?!svg)|video\/|audio\/)/.test(contentType)

/** The one range that is asked for; undefined for the whole. Throws RANGE_NOT_SATISFIABLE. */
function rangeOf(request: FastifyRequest, stat: ObjectStat, etag: string): Required<ByteRange> | undefined {
  const condition = request.headers['if-range']
  if (condition !== undefined && condition !== etag && condition !== stat.modifiedAt.toUTCString()) return undefined
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined // several ranges: the whole is a good answer too
  const [, from = '', to = ''] = match
  const start = from === '' ? Math.max(0, stat.size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? stat.size - 1 : Math.min(Number(to), stat.size - 1)
  if (start >= stat.size || start > end) throw errors.rangeNotSatisfiable(stat.size)
  return { start, end }
}
