import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import type { Db } from '@keepsake/db'
import { eventConsumer, PostgresLog, type Consumer, type EventConsumer } from '@keepsake/events'
import { FilesystemObjectStore, openMedia, type Media } from '@keepsake/media'
import {
  IngestServiceService,
  type CreateUploadRequest,
  type FinishUploadResponse,
  type Media as Item,
} from '@keepsake/proto/ingest/v1'
import {
  callAs,
  generateIdentityKeys,
  identityEnv,
  KeepsakeError,
  runService,
  type Call,
  type RunningService,
} from '@keepsake/rpc'
import { testDatabase, until, type TestDatabase } from '@keepsake/testing'
import { getMedia, getProgress } from '../catalogue.js'
import { Context } from '../context.js'
import { decidedAtOnce, finishUpload } from '../finish.js'
import { IngestModule } from '../ingest.module.js'
import { Places } from '../places.js'
import { beginPart, commitPart, createUpload } from '../upload.js'

/** Ingest on a real Postgres and a folder, with stand-ins for family and album. */
export interface Harness {
  readonly database: TestDatabase
  readonly db: Db
  readonly context: Context
  readonly objects: FilesystemObjectStore
  readonly media: Media
  readonly familyId: string
  readonly memberId: string
  /** What family would answer. */
  readonly settings: { timeZone: string; locale: string }
  /** What album would answer: rotations by item. */
  readonly rotations: Map<string, number>
  /** Items that album was told of. */
  readonly registered: string[]
  /** Items that album has erased while ingest has not heard of it. */
  readonly erased: Set<string>
  /** Items and the only member who sees them. */
  readonly seenBy: Map<string, string>
  /** A call of the member, or of another one. */
  call(memberId?: string, role?: 'parent' | 'relative'): Call
  /** Lets the events flow; stops with the harness. */
  startWork(): Promise<RunningService>
  /** Lets go of everything without keeping its place, as kill -9 would. */
  crash(): Promise<void>
  /** Stops taking events in. */
  stopWork(): Promise<void>
  /** A whole upload in two parts (where it has two bytes). */
  upload(bytes: Buffer, over?: Partial<CreateUploadRequest>, by?: Call): Promise<FinishUploadResponse>
  uploadFile(path: string, over?: Partial<CreateUploadRequest>): Promise<FinishUploadResponse>
  item(id: string): Promise<Item>
  /** Waits until nothing is pending. */
  settled(): Promise<void>
  close(): Promise<void>
}

const keys = generateIdentityKeys(['family', 'ingest', 'album'])

/** Opens a harness with a family of its own. */
export async function openHarness(settings = { timeZone: 'Asia/Tokyo', locale: 'en' }): Promise<Harness> {
  const database = await testDatabase(['ingest'])
  const home = await mkdtemp(join(tmpdir(), 'keepsake-ingest-test-'))
  const objects = new FilesystemObjectStore({ root: home })
  const db = database.db('ingest')
  const media = openMedia({ imageChildren: 2, videoChildren: 1 })
  const familyId = randomUUID()
  const memberId = randomUUID()
  const rotations = new Map<string, number>()
  const registered: string[] = []
  const erased = new Set<string>()
  const seenBy = new Map<string, string>()
  const family = { getFamily: () => Promise.resolve({ family: settings }) }
  const album = {
    registerMedia: ({ mediaId }: { mediaId: string }) => {
      registered.push(mediaId)
      return Promise.resolve({})
    },
    getMedia: ({ mediaId }: { mediaId: string }, { call }: { call: Call }) => {
      const only = seenBy.get(mediaId)
      const hidden = only !== undefined && call.caller.kind === 'member' && call.caller.memberId !== only
      const gone = erased.has(mediaId) || hidden || !registered.includes(mediaId)
      return gone
        ? Promise.reject(new KeepsakeError({ code: 'NOT_FOUND', reason: 'MEDIA_NOT_FOUND', message: 'No such item.' }))
        : Promise.resolve({ media: { id: mediaId } })
    },
    describeMedia: ({ mediaIds }: { mediaIds: string[] }) =>
      Promise.resolve({ media: mediaIds.map(id => ({ media: { id, rotation: rotations.get(id) ?? 0 } })) }),
  }
  const parts = { db, objects, media, places: new Places(), stills: 2, videos: 1, finishing: decidedAtOnce() }
  const knobs = { maxUpload: 1_000_000_000, leaseMs: 30_000, uploadMs: 86_400_000 }
  const context = new Context({ ...parts, knobs, family, album } as unknown as ConstructorParameters<typeof Context>[0])
  let running: RunningService | undefined
  let consumer: EventConsumer | undefined

  const harness: Harness = {
    database,
    db,
    context,
    objects,
    media,
    familyId,
    memberId,
    settings,
    rotations,
    registered,
    erased,
    seenBy,
    call: (member = memberId, role = 'parent') =>
      callAs(
        { kind: 'member', accountId: randomUUID(), familyId, memberId: member, role, groupIds: [] },
        { deadlineMs: 60_000 },
      ),
    async startWork() {
      consumer = eventConsumer({ group: 'ingest', log: new PostgresLog(db), db })
      return (running = await runService({
        name: 'ingest',
        env: { ...identityEnv(keys, 'ingest'), KEEPSAKE_LOG_LEVEL: 'warn' },
        module: IngestModule.with(context),
        rpc: [IngestServiceService],
        strategies: [consumer],
      }))
    },
    async crash() {
      await consumer?.unwrap<Consumer>().abandon()
      await harness.stopWork()
    },
    async stopWork() {
      await running?.close()
      running = undefined
    },
    async upload(bytes, over = {}, call = harness.call()) {
      const { id } = await createUpload(context, uploadRequest(bytes.length, over), call)
      const middle = Math.floor(bytes.length / 2)
      for (const part of [bytes.subarray(0, middle), bytes.subarray(middle)]) {
        if (part.length > 0) await writePart(harness, id, part, call)
      }
      return finishUpload(context, id, call)
    },
    // In one part, as a gateway that saw all of the bytes hands them on: with their hash.
    async uploadFile(path, over = {}) {
      const bytes = await readFile(path)
      const call = harness.call()
      const { id } = await createUpload(
        context,
        uploadRequest(bytes.length, { fileName: basename(path), ...over }),
        call,
      )
      if (bytes.length > 0) await writePart(harness, id, bytes, call)
      return finishUpload(context, id, call)
    },
    async item(id) {
      const [item] = await getMedia(context, [id], harness.call())
      if (!item) throw new Error(`no item ${id}`)
      return item
    },
    async settled() {
      await until(async () => (await getProgress(context, harness.call())).pending === 0, { deadlineMs: 90_000 })
    },
    async close() {
      await harness.stopWork()
      await media.close()
      context.places.release()
      await database.close()
      await rm(home, { recursive: true, force: true })
    },
  }
  return harness
}

/** A request to open an upload. */
export const uploadRequest = (size: number, over: Partial<CreateUploadRequest> = {}): CreateUploadRequest => ({
  size,
  fileName: 'photo.jpg',
  fileType: '',
  lastModified: undefined,
  audience: '',
  relativePath: '',
  sha256: '',
  collections: [],
  importId: '',
  ...over,
})

/** Writes the next part as the gateway does: lease, bytes, commit. */
export async function writePart(harness: Harness, id: string, bytes: Buffer, call = harness.call()): Promise<void> {
  const row = await harness.database.rows<{ position: string }>('select position from ingest.uploads where id = $1', [
    id,
  ])
  const { key, lease, target, number } = await beginPart(harness.context, id, Number(row[0]?.position), call)
  const part = { announced: bytes.length, partOf: { target, number } }
  const { sha256 } = await harness.objects.put(key, bytes, { contentType: 'application/octet-stream', ...part })
  const whole = Number(row[0]?.position) === 0 ? { sha256 } : {}
  await commitPart(harness.context, id, { lease, size: bytes.length, ...whole }, call)
}
