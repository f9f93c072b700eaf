import { AlbumServiceService, type DescribedMedia } from '@keepsake/proto/album/v1'
import { FaceServiceService, type ItemFaces } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { KeepsakeError, type Client } from '@keepsake/rpc'

const CALL_MS = 15_000
/** Days for which unknown faces are kept where a family has chosen nothing. */
const USUAL_DAYS = 90

/** What cluster asks of other services. */
export class Peers {
  constructor(
    readonly face: Client<typeof FaceServiceService>,
    readonly album: Client<typeof AlbumServiceService>,
    readonly family: Client<typeof FamilyServiceService>,
  ) {}

  /** Faces of items with their embeddings; items without any state are left out. */
  async faces(familyId: string, mediaIds: string[], signal: AbortSignal): Promise<ItemFaces[]> {
    const answer = await this.face.getFaces(
      { mediaIds, embeddings: true, faceIds: [] },
      { familyId, deadlineMs: CALL_MS, signal },
    )
    return answer.items
  }

  /** The catalogue's facts by item; items that it does not know (yet) are left out. */
  async describe(familyId: string, mediaIds: string[], signal: AbortSignal): Promise<Map<string, DescribedMedia>> {
    const found = new Map<string, DescribedMedia>()
    if (mediaIds.length === 0) return found
    const options = { familyId, deadlineMs: CALL_MS, signal, idempotent: true }
    const answer = await this.album.describeMedia({ mediaIds, all: false, cursor: '' }, options)
    for (const described of answer.media) if (described.media) found.set(described.media.id, described)
    return found
  }

  /** Whether the family agreed to face recognition. */
  async consent(familyId: string, signal: AbortSignal): Promise<boolean> {
    const { family } = await this.family.getFamily({}, { familyId, deadlineMs: CALL_MS, signal })
    return family?.faceRecognition?.given ?? false
  }

  /** Days for which the family keeps faces of people whom nobody named; undefined where the family is gone. */
  async unknownFacesDays(familyId: string, signal: AbortSignal): Promise<number | undefined> {
    try {
      const { family } = await this.family.getFamily({}, { familyId, deadlineMs: CALL_MS, signal })
      // A family service of the release before says nothing: its families have not chosen.
      return family && (family.unknownFacesDays || USUAL_DAYS)
    } catch (error) {
      if (KeepsakeError.is(error) && error.code === 'NOT_FOUND') return undefined
      throw error
    }
  }

  close(): void {
    this.face.close()
    this.album.close()
    this.family.close()
  }
}
