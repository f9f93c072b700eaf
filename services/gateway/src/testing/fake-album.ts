import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { openObjectStore, type ObjectStore } from '@keepsake/media'
import { AlbumServiceService, Media } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { RatingServiceService } from '@keepsake/proto/rating/v1'
import { RenderServiceService } from '@keepsake/proto/render/v1'
import {
  generateIdentityKeys,
  identityEnv,
  KeepsakeError,
  requireService,
  ServiceIdentity,
  type Call,
  type RpcDefinition,
  type RunningService,
} from '@keepsake/rpc'
import { startGateway, type RunningGateway } from '../service.js'
import { FakeIngest } from './fake-ingest.js'
import { fakePeer, type FakeHandlers } from './fake-peer.js'

/** The one family of the fakes. */
export const familyId = '0190a5d4-0000-7000-8000-000000000001'

/** The one item that is there. */
export const mediaId = '0190a5d4-0000-7000-8000-0000000000a1'

const definitions: Record<string, RpcDefinition> = {
  family: FamilyServiceService,
  album: AlbumServiceService,
  ingest: IngestServiceService,
  face: FaceServiceService,
  cluster: ClusterServiceService,
  rating: RatingServiceService,
  render: RenderServiceService,
}

/** An item as the catalogue gives it. */
export const item = (fields: Partial<Media> = {}): Media =>
  Media.fromPartial({
    id: mediaId,
    fileName: 'Pict 1.jpg',
    kind: 'photo',
    state: 'ready',
    takenAt: new Date('2024-05-17T01:02:03Z'),
    takenAtOffsetMinutes: 540,
    takenAtPrecision: 'second',
    takenAtSource: 'exif',
    width: 4000,
    height: 3000,
    audience: { kind: 'everyone', ids: [] },
    version: 7,
    rating: 61.5,
    ...fields,
  })

/** Gateways over fakes of every service behind them. Tests change `answers` to change what a service says. */
export class FakeAlbum {
  /** Handlers by service; may be replaced while it runs. */
  readonly answers: Record<string, FakeHandlers>
  readonly ingest = new FakeIngest(() => this.store)
  /** Tokens that the family service knows. */
  readonly tokens = new Map([
    ['parent-token', { role: 'parent', scopes: [] as string[] }],
    ['relative-token', { role: 'relative', scopes: [] as string[] }],
    ['read-key', { role: 'parent', scopes: ['read'] }],
    ['write-key', { role: 'parent', scopes: ['write'] }],
  ])
  /** Who every token stands for. */
  memberId = 'member-1'
  accountId = 'account-1'
  /** Idempotency keys that services were given, in order. */
  readonly keysSeen: (string | undefined)[] = []
  store!: ObjectStore
  private readonly keys = generateIdentityKeys([...Object.keys(definitions), 'gateway'])
  private readonly running: { close(): Promise<void> }[] = []
  private readonly addresses: Record<string, string> = {}
  private folder = ''

  /** `objects`: where bytes are kept; default: a folder of its own. */
  constructor(private readonly objects: Readonly<Record<string, string>> = {}) {
    this.answers = {
      family: this.family(),
      ingest: this.ingest.handlers,
      album: {
        getMedia: (r: { mediaId: string }) => {
          if (r.mediaId !== mediaId)
            throw new KeepsakeError({ code: 'NOT_FOUND', reason: 'MEDIA_NOT_FOUND', message: 'There is no such item.' })
          return { media: item() }
        },
        listMedia: () => ({ media: [item()], nextCursor: '' }),
        listCollections: () => ({ collections: [] }),
        getProgress: () => ({ ready: 2, pending: 1, failed: 0, peopleVersion: 3, ratingVersion: 5, version: 9 }),
      },
      face: { getFaces: () => ({ items: [] }), getProgress: () => ({ done: 1, failed: 0, consent: true, faces: 2 }) },
      cluster: {
        getAssignments: () => ({ assignments: [], people: [] }),
        getProgress: () => ({ done: 1, pending: 0, version: 3, people: 1 }),
        listPeople: () => ({ people: [] }),
      },
      rating: {
        getRatings: () => ({ ratings: [] }),
        getProgress: () => ({ done: 2, pending: 0, albumVersion: 9, peopleVersion: 3, version: 5 }),
      },
      render: { listMovies: () => ({ movies: [] }) },
    }
  }

  private family(): FakeHandlers {
    const identity = () => ServiceIdentity.fromEnv('family', identityEnv(this.keys, 'family'))
    return {
      authenticate: async (r: { token: string; familyId?: string }, call: Call) => {
        requireService(call, 'gateway')
        const known = this.tokens.get(r.token)
        if (known === undefined)
          throw new KeepsakeError({
            code: 'UNAUTHENTICATED',
            reason: 'TOKEN_INVALID',
            message: 'Please sign in again.',
          })
        if (r.familyId !== undefined && r.familyId !== familyId)
          throw new KeepsakeError({
            code: 'NOT_FOUND',
            reason: 'FAMILY_NOT_FOUND',
            message: 'There is no such family.',
          })
        const role = known.role === 'parent' ? 'parent' : 'relative'
        const signed =
          r.familyId === undefined
            ? await identity().forPerson({ kind: 'account', accountId: this.accountId })
            : await identity().forPerson({
                kind: 'member',
                accountId: this.accountId,
                familyId,
                memberId: this.memberId,
                role,
                groupIds: [],
              })
        return {
          identity: signed,
          accountId: this.accountId,
          memberId: this.memberId,
          role,
          scopes: known.scopes,
          plan: 'premium',
        }
      },
      listFamilies: () => ({ families: [] }),
      getFamily: () => ({
        family: {
          id: familyId,
          name: 'Sato',
          plan: 'premium',
          timeZone: 'Asia/Tokyo',
          locale: 'ja',
          unknownFacesDays: 90,
          role: 'parent',
          version: 1,
        },
      }),
      listChildren: () => ({ children: [] }),
      listMembers: () => ({ members: [] }),
    }
  }

  /** Starts the fakes. */
  async start(): Promise<this> {
    this.folder = await mkdtemp(path.join(tmpdir(), 'keepsake-gateway-'))
    this.store = openObjectStore(this.env())
    await Promise.all(
      Object.entries(definitions).map(async ([name, definition]) => {
        const late: FakeHandlers = Object.fromEntries(
          Object.keys(definition).map(method => [
            method,
            (request: never, call: Call) => {
              this.keysSeen.push(call.idempotencyKey)
              const handle = this.answers[name]?.[method]
              if (handle === undefined)
                throw new KeepsakeError({
                  code: 'FAILED_PRECONDITION',
                  reason: 'NOT_FAKED',
                  message: `${name}.${method} is not faked.`,
                })
              return handle(request, call)
            },
          ]),
        )
        const peer: RunningService = await fakePeer(name, definition, late, this.keys)
        this.running.push(peer)
        this.addresses[`KEEPSAKE_${name.toUpperCase()}_ADDRESS`] = peer.address
      }),
    )
    return this
  }

  /** The environment of a service that runs elsewhere beside the fakes. */
  env(service = 'gateway'): Record<string, string> {
    return {
      ...identityEnv(this.keys, service),
      ...this.addresses,
      KEEPSAKE_HTTP_LISTEN: '127.0.0.1:0',
      KEEPSAKE_OBJECTS: pathToFileURL(this.folder).href,
      KEEPSAKE_OBJECTS_URL_KEY: 'a secret of enough characters',
      ...this.objects,
      KEEPSAKE_LOG_LEVEL: 'error',
    }
  }

  /** Starts one more replica of the gateway. */
  async gateway(env: Record<string, string> = {}): Promise<RunningGateway> {
    const gateway = await startGateway({ ...this.env(), ...env }, { checkAnswers: true })
    this.running.unshift(gateway)
    return gateway
  }

  async close(): Promise<void> {
    for (const each of this.running) await each.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}
