import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BeginPartResponse, Upload } from '@keepsake/proto/ingest/v1'
import { KeepsakeError, type CallOptions } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { openSession, type Session } from './authentication.js'
import type { Edge } from './endpoint.js'
import { errors } from './errors.js'
import { uploadBytes } from './metrics.js'
import { PartPace } from './part-pace.js'
import type { RateLimit } from './rate-limit.js'
import { UploadBody } from './upload-body.js'
import { UploadHashes } from './upload-hashes.js'
import { readUploadMetadata } from './upload-metadata.js'
import { traced } from './traced.js'

const version = '1.0.0'
const extensions = 'creation,creation-with-upload,checksum,termination,expiration'
const checksums = ['sha1', 'sha256', 'md5'] as const
const bytesType = 'application/offset+octet-stream'

// The lease on an upload must not run out while a slow client's bytes arrive: the part ends so long before it, in milliseconds.
const leaseMarginMs = 5000
// A finished upload is composed before it is answered, and hashed where several gateways wrote it: about 2 s for 1 GB.
const finishMs = 600_000

// S3 knows so many parts of one upload.
const mostNumbers = 10_000

type Params = { familyId: string; uploadId: string }

/**
 * tus 1.0.0 by hand: the protocol is small, and offsets, leases and expiry belong to ingest so that any replica can go on
 * with any upload. Bytes go from the socket into the object store.
 * Source: https://tus.io/protocols/resumable-upload (1.0.0, core and the extensions named above).
 */
export function registerUploads(server: FastifyInstance, edge: Edge, families: RateLimit): void {
  const path = '/v1/families/:familyId/uploads'
  const hashes = new UploadHashes()
  const open = async (request: FastifyRequest, reply: FastifyReply): Promise<Session> => {
    void reply.header('tus-resumable', version)
    if (request.headers['tus-resumable'] !== version) {
      void reply.header('tus-version', version)
      throw errors.tusVersion()
    }
    const { familyId } = request.params as Params
    const session = await openSession(edge, request, reply, { required: true, familyId, scope: 'write' })
    families.take(familyId)
    return session
  }

  const discover = (_request: FastifyRequest, reply: FastifyReply) =>
    reply
      .code(204)
      .headers({
        'tus-resumable': version,
        'tus-version': version,
        'tus-extension': extensions,
        'tus-max-size': String(edge.config.KEEPSAKE_MAX_UPLOAD_BYTES),
        'tus-checksum-algorithm': checksums.join(','),
      })
      .send()
  server.options(path, discover)
  server.options(`${path}/:uploadId`, discover)

  server.post(path, (request, reply) =>
    traced(request, '/v1/families/{familyId}/uploads', async () => {
      const session = await open(request, reply)
      const size = wholeNumber(request.headers['upload-length'], 'Upload-Length')
      if (size > edge.config.KEEPSAKE_MAX_UPLOAD_BYTES)
        throw errors.uploadTooLarge(edge.config.KEEPSAKE_MAX_UPLOAD_BYTES)
      const metadata = readUploadMetadata(one(request.headers['upload-metadata']))
      const { upload } = await edge.clients.ingest.createUpload({ size, ...metadata }, await session.as())
      if (upload === undefined) throw errors.notFound()
      void reply.header('location', `/v1/families/${session.familyId}/uploads/${upload.id}`)
      const withBody = request.headers['content-type'] === bytesType
      const after =
        withBody && upload.state === 'open'
          ? await receive(edge, hashes, session, request, upload, 0)
          : { upload, finish: upload.size === upload.offset }
      tellState(reply, after.upload)
      if (after.finish) await finish(edge, session, reply, after.upload)
      return reply.code(201).send()
    }),
  )

  server.head(`${path}/:uploadId`, (request, reply) =>
    traced(request, '/v1/families/{familyId}/uploads/{uploadId}', async () => {
      const session = await open(request, reply)
      void reply.header('cache-control', 'no-store')
      const upload = await find(edge, session, request)
      tellState(reply, upload)
      void reply.header('upload-length', String(upload.size))
      // All bytes are here but the answer to the last part never arrived (or its gateway died): finish now.
      if (upload.offset === upload.size) await finish(edge, session, reply, upload)
      return reply.code(200).send()
    }),
  )

  server.patch(`${path}/:uploadId`, (request, reply) =>
    traced(request, '/v1/families/{familyId}/uploads/{uploadId}', async () => {
      const session = await open(request, reply)
      if (request.headers['content-type'] !== bytesType) throw errors.uploadType()
      const offset = wholeNumber(request.headers['upload-offset'], 'Upload-Offset')
      const upload = await find(edge, session, request)
      if (upload.state !== 'open') {
        // The same bytes were in the album already, so no more are needed.
        await new UploadBody(request.body as Readable).drain()
        tellState(reply, { ...upload, offset: upload.size })
        await finish(edge, session, reply, upload)
        return reply.code(204).send()
      }
      const after = await receive(edge, hashes, session, request, upload, offset)
      tellState(reply, after.upload)
      if (after.finish) await finish(edge, session, reply, after.upload)
      return reply.code(204).send()
    }),
  )

  server.delete(`${path}/:uploadId`, (request, reply) =>
    traced(request, '/v1/families/{familyId}/uploads/{uploadId}', async () => {
      const session = await open(request, reply)
      const { uploadId } = request.params as Params
      await edge.clients.ingest.terminateUpload({ id: uploadId }, await session.as())
      return reply.code(204).send()
    }),
  )
}

async function find(edge: Edge, session: Session, request: FastifyRequest): Promise<Upload> {
  const { uploadId } = request.params as Params
  const { upload } = await edge.clients.ingest.getUpload({ id: uploadId }, await session.as())
  if (upload === undefined || upload.state === 'terminated') throw errors.notFound()
  return upload
}

function tellState(reply: FastifyReply, upload: Upload): void {
  void reply.header('upload-offset', String(upload.offset))
  if (upload.expiresAt !== undefined && upload.state === 'open')
    void reply.header('upload-expires', upload.expiresAt.toUTCString())
}

/** Says which item the upload became; ingest answers the same however often it is asked. */
async function finish(edge: Edge, session: Session, reply: FastifyReply, upload: Upload): Promise<void> {
  const done = await edge.clients.ingest.finishUpload(
    { id: upload.id },
    { ...(await session.as(finishMs)), idempotent: true },
  )
  if (done.mediaId !== '') {
    void reply.header('keepsake-media-id', done.mediaId)
    if (done.duplicate || upload.state === 'finished') await takeFromTrash(edge, session, done.mediaId)
  }
  if (done.duplicate) void reply.header('keepsake-duplicate', 'true')
  if (done.joined) void reply.header('keepsake-joined', 'true')
}

/**
 * Who uploads a file again that lies in the trash wants it: left there, the bytes that were just accepted would be erased in some days. What
 * the person may not restore stays where it is.
 */
async function takeFromTrash(edge: Edge, session: Session, mediaId: string): Promise<void> {
  const { album } = edge.clients
  const options = async (): Promise<CallOptions> => ({ ...(await session.as()), idempotencyKey: undefined })
  try {
    const { media } = await album.getMedia({ mediaId }, await options())
    if (media?.trashedAt !== undefined) await album.restoreMedia({ mediaIds: [mediaId] }, await options())
  } catch (error) {
    if (!KeepsakeError.is(error) || (error.code !== 'NOT_FOUND' && error.code !== 'PERMISSION_DENIED')) throw error
  }
}

/** Takes the body in, part by part. Resolves with the upload as it then stands, also after a broken connection. */
async function receive(
  edge: Edge,
  hashes: UploadHashes,
  session: Session,
  request: FastifyRequest,
  before: Upload,
  from: number,
): Promise<{ upload: Upload; finish: boolean }> {
  const { ingest } = edge.clients
  const checksum = readChecksum(one(request.headers['upload-checksum']))
  const body = new UploadBody(request.body as Readable)
  const pace = new PartPace(edge.config.KEEPSAKE_UPLOAD_PART_BYTES)
  let coming = lengthOf(request)
  let upload = before
  let offset = from
  // The first part is opened even for an empty body: ingest says whether the offset is right.
  for (let first = true; first || (await body.more(Date.now() + 60_000)); first = false) {
    const part = await ingest.beginPart({ id: upload.id, offset }, { ...(await inTime(session)), idempotent: true })
    const until = Math.max(Date.now() + 1000, (part.leaseUntil?.getTime() ?? Infinity) - leaseMarginMs)
    // With a checksum the whole body is one part: nothing is kept before it is proved.
    const most = Math.min(checksum === undefined ? pace.next() : Infinity, part.remaining, coming)
    const hash = checksum === undefined ? undefined : createHash(checksum.algorithm)
    const whole = hashes.at(upload.id, offset)
    const beganMs = performance.now()
    let written: number
    try {
      written = await store(edge, part, body.take(most, until), most, [hash, whole])
    } catch (error) {
      await giveBack(edge, session, upload.id, part.lease)
      throw error
    }
    pace.took(written, performance.now() - beganMs)
    coming -= written
    const proved = checksum === undefined || (!body.broken && hash?.digest().equals(checksum.digest) === true)
    if (!proved) {
      await edge.store.remove(part.key)
      await giveBack(edge, session, upload.id, part.lease)
      throw errors.checksumMismatch()
    }
    const sha256 = whole?.copy().digest('hex') ?? ''
    const committed = await ingest
      .commitPart(
        { id: upload.id, lease: part.lease, size: written, sha256 },
        { ...(await inTime(session)), idempotent: true },
      )
      .catch((error: unknown) => dropUnwanted(edge, part.key, error))
    uploadBytes.add(written, {})
    upload = committed.upload ?? upload
    offset = upload.offset
    if (whole !== undefined && offset < upload.size) hashes.keep(upload.id, offset, whole)
    if (offset >= upload.size && (await body.more(Date.now() + 60_000))) throw errors.uploadTooLarge(upload.size)
    if (body.ended || checksum !== undefined) break
  }
  return { upload, finish: upload.offset === upload.size && !body.broken }
}

/** Bytes that the body will have; Infinity where the client does not say. */
function lengthOf(request: FastifyRequest): number {
  const length = request.headers['content-length']
  return length === undefined ? Infinity : Number(length)
}

/** Of an upload that was given up or erased meanwhile nothing may stay: nobody else would remove a part that came after that. */
async function dropUnwanted(edge: Edge, key: string, error: unknown): Promise<never> {
  const gone = KeepsakeError.is(error) && ['UPLOAD_NOT_FOUND', 'UPLOAD_TERMINATED'].includes(error.reason)
  if (gone) await edge.store.remove(key)
  throw error
}

/** Options of a call that must happen even though the client has gone: what arrived is kept. */
async function inTime(session: Session) {
  const { signal: _clients, ...options } = await session.as()
  return options
}

async function giveBack(edge: Edge, session: Session, id: string, lease: string): Promise<void> {
  try {
    await edge.clients.ingest.commitPart({ id, lease, size: 0, sha256: '' }, await inTime(session))
  } catch (error) {
    logger('gateway').warn({ err: error, uploadId: id }, 'the lease on an upload runs out by itself')
  }
}

/** Streams a part of at most `most` bytes into the object store; answers its size. An empty part is not stored. */
async function store(
  edge: Edge,
  part: Pick<BeginPartResponse, 'key' | 'target' | 'number'>,
  bytes: AsyncGenerator<Buffer>,
  most: number,
  hashes: readonly (Hash | undefined)[],
): Promise<number> {
  const first = await bytes.next()
  if (first.done === true) return 0
  const seen = (chunk: Buffer) => {
    for (const hash of hashes) hash?.update(chunk)
    return chunk
  }
  const source = Readable.from(
    (async function* () {
      yield seen(first.value)
      for await (const chunk of bytes) yield seen(chunk)
    })(),
    { objectMode: false },
  )
  const { target, number } = part
  const { size } = await edge.store.put(part.key, source, {
    contentType: 'application/octet-stream',
    announced: most,
    ...(number <= mostNumbers ? { partOf: { target, number } } : {}),
  })
  return size
}

function readChecksum(
  header: string | undefined,
): { algorithm: (typeof checksums)[number]; digest: Buffer } | undefined {
  if (header === undefined) return undefined
  const [name, value = ''] = header.split(' ')
  const algorithm = checksums.find(each => each === name)
  if (algorithm === undefined || value === '')
    throw errors.malformed('Upload-Checksum names no algorithm that we know.')
  return { algorithm, digest: Buffer.from(value, 'base64') }
}

const one = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header)

function wholeNumber(header: string | string[] | undefined, name: string): number {
  const value = one(header) ?? ''
  if (!/^\d{1,15}$/.test(value)) throw errors.malformed(`${name} is missing or no number.`)
  return Number(value)
}
