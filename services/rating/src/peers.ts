import { AlbumServiceService, type DescribedMedia } from '@keepsake/proto/album/v1'
import { ClusterServiceService, type Assignment, type Person } from '@keepsake/proto/cluster/v1'
import { FaceServiceService, type Face } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService, type Quality } from '@keepsake/proto/ingest/v1'
import type { Client } from '@keepsake/rpc'
import type { Viewer } from './audience.js'

const CALL_MS = 20_000

/** Everything that a batch of ratings is made from, by item. */
export interface Pulled {
  described: Map<string, DescribedMedia>
  quality: Map<string, Quality>
  /** The group of near duplicates by item: of the items asked for, and of all that are in a group with one of them. */
  groups: Map<string, string>
  faces: Map<string, Face[]>
  /** By face. */
  assignments: Map<string, Assignment>
  people: Map<string, Person>
}

/** What rating asks of other services. */
export class Peers {
  constructor(
    readonly album: Client<typeof AlbumServiceService>,
    readonly ingest: Client<typeof IngestServiceService>,
    readonly face: Client<typeof FaceServiceService>,
    readonly cluster: Client<typeof ClusterServiceService>,
    readonly family: Client<typeof FamilyServiceService>,
  ) {}

  /** Pulls everything about at most 500 items, all services at once. */
  async pull(familyId: string, mediaIds: string[], signal: AbortSignal): Promise<Pulled> {
    const options = { familyId, deadlineMs: CALL_MS, signal }
    const [album, ingest, groups, faces, cluster] = await Promise.all([
      this.album.describeMedia({ mediaIds, all: false, cursor: '' }, options),
      this.ingest.getMedia({ mediaIds }, options),
      this.ingest.listDuplicateGroups({ mediaIds }, options),
      this.face.getFaces({ mediaIds, embeddings: false, faceIds: [] }, options),
      this.cluster.getAssignments({ mediaIds, cursor: '' }, options),
    ])
    return {
      described: new Map(album.media.flatMap(d => (d.media ? [[d.media.id, d] as const] : []))),
      quality: new Map(ingest.media.flatMap(m => (m.quality ? [[m.id, m.quality] as const] : []))),
      groups: new Map(groups.groups.flatMap(group => group.mediaIds.map(id => [id, group.id] as const))),
      faces: new Map(faces.items.map(item => [item.mediaId, item.faces])),
      assignments: new Map(cluster.assignments.map(a => [a.faceId, a])),
      people: new Map(cluster.people.map(p => [p.id, p])),
    }
  }

  /** The family's members with their groups. */
  async members(familyId: string, signal: AbortSignal): Promise<Viewer[]> {
    const { members } = await this.family.listMembers({}, { familyId, deadlineMs: CALL_MS, signal })
    return members.map(m => ({ memberId: m.id, role: m.role, groupIds: m.groupIds }))
  }

  close(): void {
    for (const client of [this.album, this.ingest, this.face, this.cluster, this.family]) client.close()
  }
}
