import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { createClient, KeepsakeError, type ServiceIdentity } from '@keepsake/rpc'
import type { Peers } from './detect-item.js'

/** How long one question to another service may take, ms. */
const DEADLINE_MS = 10_000

/** The other services, asked over gRPC. */
export class RemotePeers implements Peers {
  private readonly family
  private readonly ingest

  constructor(addresses: { family: string; ingest: string }, identity: ServiceIdentity) {
    this.family = createClient(FamilyServiceService, addresses.family, identity)
    this.ingest = createClient(IngestServiceService, addresses.ingest, identity)
  }

  consent: Peers['consent'] = async (familyId, signal) => {
    try {
      const { family } = await this.family.getFamily({}, { familyId, deadlineMs: DEADLINE_MS, signal })
      return family && { given: family.faceRecognition?.given ?? false, version: family.version }
    } catch (error) {
      if (KeepsakeError.is(error) && error.code === 'NOT_FOUND') return undefined
      throw error
    }
  }

  media: Peers['media'] = async (familyId, mediaId, signal) => {
    const { media } = await this.ingest.getMedia({ mediaIds: [mediaId] }, { familyId, deadlineMs: DEADLINE_MS, signal })
    return media[0]
  }

  close(): void {
    this.family.close()
    this.ingest.close()
  }
}
