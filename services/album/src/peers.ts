import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService, type Media as IngestMedia } from '@keepsake/proto/ingest/v1'
import { createClient, type Client, type ServiceIdentity } from '@keepsake/rpc'

/** The services that album asks. */
export class Peers {
  readonly family: Client<typeof FamilyServiceService>
  readonly cluster: Client<typeof ClusterServiceService>
  readonly ingest: IngestReader
  readonly #ingest: Client<typeof IngestServiceService>

  constructor(addresses: { family: string; cluster: string; ingest: string }, identity: ServiceIdentity) {
    this.family = createClient(FamilyServiceService, addresses.family, identity)
    this.cluster = createClient(ClusterServiceService, addresses.cluster, identity)
    this.#ingest = createClient(IngestServiceService, addresses.ingest, identity)
    this.ingest = new IngestReader((familyId, mediaIds) =>
      this.#ingest.getMedia({ mediaIds }, { familyId, deadlineMs: 15_000 }).then(answer => answer.media),
    )
  }

  close(): void {
    this.family.close()
    this.cluster.close()
    this.#ingest.close()
  }
}

interface Waiting {
  readonly ids: Map<string, { resolve: (media: IngestMedia | undefined) => void; reject: (error: unknown) => void }[]>
}

const gatherMs = 5 // during an import events come in crowds; a single photo does not notice 5 ms
const most = 100

/** Asks ingest for items in batches: those that are wanted within a few milliseconds share one call. */
export class IngestReader {
  readonly #ask: (familyId: string, mediaIds: string[]) => Promise<IngestMedia[]>
  readonly #waiting = new Map<string, Waiting>()

  constructor(ask: (familyId: string, mediaIds: string[]) => Promise<IngestMedia[]>) {
    this.#ask = ask
  }

  /** The item as ingest knows it; undefined when it is unknown there or erased. */
  load(familyId: string, mediaId: string): Promise<IngestMedia | undefined> {
    return new Promise((resolve, reject) => {
      let waiting = this.#waiting.get(familyId)
      if (waiting === undefined) {
        waiting = { ids: new Map() }
        this.#waiting.set(familyId, waiting)
        setTimeout(() => void this.#send(familyId), gatherMs)
      }
      const others = waiting.ids.get(mediaId) ?? []
      waiting.ids.set(mediaId, [...others, { resolve, reject }])
      if (waiting.ids.size >= most) void this.#send(familyId)
    })
  }

  async #send(familyId: string): Promise<void> {
    const waiting = this.#waiting.get(familyId)
    if (waiting === undefined) return // sent already because it was full
    this.#waiting.delete(familyId)
    try {
      const media = await this.#ask(familyId, [...waiting.ids.keys()])
      const byId = new Map(media.map(item => [item.id, item]))
      for (const [id, callers] of waiting.ids) for (const { resolve } of callers) resolve(byId.get(id))
    } catch (error) {
      for (const callers of waiting.ids.values()) for (const { reject } of callers) reject(error)
    }
  }
}
