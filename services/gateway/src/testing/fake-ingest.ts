import { createHash, randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import type { ObjectStore } from '@keepsake/media'
import type { Upload } from '@keepsake/proto/ingest/v1'
import { KeepsakeError, requireMember, type Call } from '@keepsake/rpc'
import type { FakeHandlers } from './fake-peer.js'

interface Kept extends Upload {
  parts: { key: string; size: number }[]
  lease: string | undefined
  leases: number
  metadata: Record<string, unknown>
  sha256?: string
}

/** Upload sessions as ingest keeps them, in memory; composed files are kept for assertions. */
export class FakeIngest {
  readonly uploads = new Map<string, Kept>()
  /** Finished files by item. */
  readonly files = new Map<string, Buffer>()
  /** Uploads that came with the hash of all their bytes. */
  readonly hashed: string[] = []
  /** Sizes of the parts that were committed. */
  readonly parts: number[] = []

  constructor(private readonly store: () => ObjectStore) {}

  readonly handlers: FakeHandlers = {
    createUpload: (r: { size: number; fileName: string }, call: Call) => {
      requireMember(call)
      const { size, fileName, ...metadata } = r
      const upload: Kept = {
        id: randomUUID(),
        size,
        offset: 0,
        fileName,
        expiresAt: new Date('2030-01-01T00:00:00Z'),
        duplicate: false,
        state: 'open',
        parts: [],
        lease: undefined,
        leases: 0,
        metadata,
      }
      this.uploads.set(upload.id, upload)
      return { upload }
    },
    getUpload: (r: { id: string }) => ({ upload: this.find(r.id) }),
    beginPart: (r: { id: string; offset: number }, call: Call) => {
      const upload = this.find(r.id)
      if (upload.lease !== undefined)
        throw new KeepsakeError({ code: 'UNAVAILABLE', reason: 'UPLOAD_BUSY', message: 'Somebody else writes.' })
      if (r.offset !== upload.offset)
        throw new KeepsakeError({ code: 'ABORTED', reason: 'UPLOAD_OFFSET_MISMATCH', message: 'Wrong offset.' })
      upload.lease = randomUUID()
      const key = `families/${requireMember(call).familyId}/uploads/${upload.id}/${String(r.offset).padStart(15, '0')}`
      return {
        key,
        lease: upload.lease,
        leaseUntil: new Date(Date.now() + 60_000),
        remaining: upload.size - upload.offset,
        target: this.target(upload.id, call),
        number: ++upload.leases,
      }
    },
    commitPart: (r: { id: string; lease: string; size: number; sha256: string }, call: Call) => {
      const upload = this.find(r.id)
      if (upload.lease !== r.lease) throw new Error('not the lease')
      upload.lease = undefined
      if (r.size > 0) {
        const { familyId } = requireMember(call)
        const key = `families/${familyId}/uploads/${upload.id}/${String(upload.offset).padStart(15, '0')}`
        upload.parts.push({ key, size: r.size })
        this.parts.push(r.size)
        upload.sha256 = r.sha256
      }
      upload.offset += r.size
      return { upload }
    },
    finishUpload: async (r: { id: string }, call: Call) => {
      const upload = this.find(r.id)
      if (upload.offset !== upload.size) throw new Error('not whole')
      if (upload.mediaId === undefined) {
        const target = this.target(upload.id, call)
        await this.store().compose(upload.parts, target, { contentType: 'application/octet-stream' })
        const file = await buffer(this.store().get(target))
        const right = createHash('sha256').update(file).digest('hex')
        if (upload.sha256 !== undefined && !['', right].includes(upload.sha256)) throw new Error('not the hash')
        if (upload.sha256 === right) this.hashed.push(upload.id)
        const known = [...this.files].find(([, each]) => each.equals(file))
        upload.mediaId = known?.[0] ?? randomUUID()
        upload.duplicate = known !== undefined
        upload.state = 'finished'
        this.files.set(upload.mediaId, file)
      }
      return { mediaId: upload.mediaId, duplicate: upload.duplicate, joined: false }
    },
    terminateUpload: (r: { id: string }) => {
      this.find(r.id)
      this.uploads.delete(r.id)
      return {}
    },
    getProgress: () => ({ total: 3, ready: 2, pending: 1, failed: 0 }),
  }

  private target(id: string, call: Call): string {
    return `families/${requireMember(call).familyId}/media/${id}/original`
  }

  private find(id: string): Kept {
    const upload = this.uploads.get(id)
    if (upload === undefined)
      throw new KeepsakeError({ code: 'NOT_FOUND', reason: 'UPLOAD_NOT_FOUND', message: 'There is no such upload.' })
    return upload
  }
}
